import { Refusal } from "../errors.ts";
import { digestAlgorithm } from "../names.ts";
import { type Pace, paced } from "./pace.ts";
import type { BlobId, BlobStore, KeyScope, StoredBlob } from "./ports.ts";

/** The blob could not be read. Nothing is wrong with where it was to go. */
export class SourceUnreadable extends Error {
  override readonly name = "SourceUnreadable";
}

/**
 * Copies a blob between stores, sealed under `scope`, and compares its bytes with its digest on the way: what is wrong gets no name in `to`.
 * @throws LayerDigestMismatch, SourceUnreadable, StorageFull, and whatever writing throws
 */
export async function copyBlob(
  blob: BlobId,
  scope: KeyScope,
  from: BlobStore,
  to: BlobStore,
  pace: Pace,
): Promise<StoredBlob> {
  const staging = await to.begin(scope);
  try {
    const algorithm = digestAlgorithm(blob.digest);
    const staged = await to.append(staging, 0, paced(from.bytes(blob), pace), { scope, algorithm });
    if (staged.interrupted !== undefined) {
      const { message } = staged.interrupted as Error;
      throw new SourceUnreadable(`it cannot be read: ${message}`, { cause: staged.interrupted });
    }
    return await to.commit(staging, blob.digest, staged, scope);
  } catch (error) {
    await to.abort(staging).catch(() => {});
    throw error;
  }
}

/** Why this one blob cannot be had; `undefined` for an error that is about more than that. */
export function damageIn(error: unknown): string | undefined {
  if (error instanceof SourceUnreadable) return error.message;
  return error instanceof Refusal && error.is("LayerDigestMismatch")
    ? "its bytes are not those of its digest"
    : undefined;
}
