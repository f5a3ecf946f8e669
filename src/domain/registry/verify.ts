import { Refusal } from "../errors.ts";
import { digestAlgorithm } from "../names.ts";
import { BlobDamaged, isSealed } from "./encryption.ts";
import type { BlobId, BlobStore, Bytes } from "./ports.ts";
import { hashOf } from "./uploads.ts";

/** What reading a copy from end to end has shown. `why` is for people: a sentence without its subject and its end. */
export type Verdict =
  | { readonly kind: "sound" }
  /** Its bytes are not those of its digest, or not those that were sealed. */
  | { readonly kind: "corrupt"; readonly why: string }
  /** The store does not give them out. */
  | { readonly kind: "unreadable"; readonly why: string }
  /** Its key cannot be used, so nothing is known of the bytes, and nothing may be done to them. */
  | { readonly kind: "locked"; readonly why: string };

/** @param through what the bytes pass on their way, such as a pace */
export async function verify(
  blobs: Pick<BlobStore, "bytes" | "stored">,
  blob: BlobId,
  through: (bytes: Bytes) => Bytes = (bytes) => bytes,
): Promise<Verdict> {
  try {
    const found = await hashOf(through(blobs.bytes(blob)), digestAlgorithm(blob.digest));
    return found === blob.digest
      ? { kind: "sound" }
      : { kind: "corrupt", why: "its bytes are not those of its digest" };
  } catch (error) {
    const { message: why } = error as Error;
    if (error instanceof BlobDamaged) return { kind: "corrupt", why: `it is not as it was sealed: ${why}` };
    if (error instanceof Refusal && error.is("KeyUnusable")) return { kind: "locked", why };
    // Keys fail in more ways than stores know of. If the bytes can be had, it is not for the disk that they cannot be read.
    if (isSealed(blob.generation) && (await isThere(blobs, blob))) return { kind: "locked", why };
    return { kind: "unreadable", why: `it cannot be read: ${why}` };
  }
}

async function isThere(blobs: Pick<BlobStore, "stored">, blob: BlobId): Promise<boolean> {
  try {
    for await (const _ of blobs.stored(blob));
    return true;
  } catch {
    return false;
  }
}
