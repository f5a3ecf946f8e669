import { Refusal } from "../../domain/errors.ts";
import { digestAlgorithm } from "../../domain/names.ts";
import { type Pace, paced } from "../../domain/registry/pace.ts";
import type { BlobId, BlobStore, StoredBlob } from "../../domain/registry/ports.ts";

/** The blob could not be read. Nothing is wrong with where it was to go. */
export class SourceUnreadable extends Error {
  override readonly name = "SourceUnreadable";
}

/**
 * Copies a blob between stores, and compares its bytes with its digest on the way: what is wrong gets no name in `to`.
 * @throws LayerDigestMismatch, SourceUnreadable, StorageFull, and whatever writing throws
 */
export async function copyBlob(blob: BlobId, from: BlobStore, to: BlobStore, pace: Pace): Promise<StoredBlob> {
  const staging = await to.begin();
  try {
    const staged = await to.append(staging, 0, paced(from.bytes(blob), pace), digestAlgorithm(blob.digest));
    if (staged.interrupted !== undefined) {
      const { message } = staged.interrupted as Error;
      throw new SourceUnreadable(`it cannot be read: ${message}`, { cause: staged.interrupted });
    }
    return await to.commit(staging, blob.digest, staged);
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

/** Each commit waits for the disk, so several small blobs at once take hardly longer than one. */
const atOnce = 8;

/** Takes items as fast as they are dealt with. The first error ends it, after what is in progress. */
export async function eachOf<Item>(items: AsyncIterable<Item>, work: (item: Item) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let failure: { readonly error: unknown } | undefined;
  const worker = async () => {
    while (!failure) {
      try {
        const { done, value } = await iterator.next();
        if (done) return;
        await work(value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await iterator.return?.();
  if (failure) throw failure.error;
}
