import { type Digest, digestAlgorithm, digestOf } from "../../domain/names.ts";
import type { Bytes } from "../../domain/registry/ports.ts";
import type { BlobFacts } from "./places.ts";
import { CopyFailed } from "./problems.ts";

/** A hash that goes on where it was when a transfer goes on. */
export function createVerifier({ digest, sizeBytes }: BlobFacts) {
  const algorithm = digestAlgorithm(digest);
  let hasher = new Bun.CryptoHasher(algorithm);
  /** How many bytes from the beginning the hash has seen. */
  let hashed = 0;

  return {
    /** How far the hash has come: the furthest that a transfer may begin and still be verified. */
    hashed: () => hashed,
    /**
     * Passes bytes on, and fails at their end unless they are the blob's. What was seen before is not hashed again: the
     * destination has it already, or compares the digest itself.
     * @param offset where in the blob the bytes begin
     */
    async *pass(bytes: Bytes, offset: number): Bytes {
      if (offset === 0) {
        hasher = new Bun.CryptoHasher(algorithm);
        hashed = 0;
      }
      let at = offset;
      for await (const chunk of bytes) {
        if (at + chunk.length > sizeBytes) throw tooMuch(digest, sizeBytes);
        if (at <= hashed && at + chunk.length > hashed) {
          hasher.update(chunk.subarray(hashed - at));
          hashed = at + chunk.length;
        }
        at += chunk.length;
        yield chunk;
      }
      if (at < sizeBytes) throw new CopyFailed(`${digest} ends after ${at} bytes instead of ${sizeBytes}`, "broken");
      if (hashed === sizeBytes && digestOf(algorithm, hasher.copy().digest("hex")) !== digest) throw mismatch(digest);
    },
  };
}

export type Verifier = ReturnType<typeof createVerifier>;

/** All bytes, of which there may not be more than a limit. */
export async function readAll(bytes: Bytes, limitBytes: number, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.length;
    if (total > limitBytes) throw new CopyFailed(`${what} has more than ${limitBytes} bytes`, "broken");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Bytes without the first few, for what can only be read from its beginning. */
export async function* skipping(bytes: Bytes, count: number): Bytes {
  let left = count;
  for await (const chunk of bytes) {
    if (left < chunk.length) yield left === 0 ? chunk : chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

export const mismatch = (digest: Digest) =>
  new CopyFailed(`the bytes that came for ${digest} have another digest`, "broken");

const tooMuch = (digest: Digest, sizeBytes: number) =>
  new CopyFailed(`more came for ${digest} than its ${sizeBytes} bytes`, "broken");
