import { refuse } from "../../domain/errors.ts";
import { type Digest, type DigestAlgorithm, digestAlgorithm, digestOf } from "../../domain/names.ts";
import { isSealed, sealedEnding } from "../../domain/registry/encryption.ts";
import type { BlobId, ByteRange, Bytes, StagingId } from "../../domain/registry/ports.ts";

/** What every driver makes sure of in the same way. */

const stagingForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(\.sealed)?$/;

/** Tells when the upload began, and whether its bytes are sealed, so that nobody has to ask the disk. */
export function newStagingId({ sealed = false }: { sealed?: boolean } = {}): StagingId {
  return `${Bun.randomUUIDv7()}${sealed ? sealedEnding : ""}` as StagingId;
}

/** A UUID of version 7 starts with the milliseconds since 1970 (RFC 9562, section 5.7). */
export function beganAtMs(staging: StagingId): number {
  return Number.parseInt(staging.slice(0, 8) + staging.slice(9, 13), 16);
}

export function isStagingId(text: string): text is StagingId {
  return stagingForm.test(text);
}

/** An id becomes part of a path, so its form is checked where that happens. */
export function checkedStagingId(staging: StagingId): StagingId {
  if (!isStagingId(staging)) throw new RangeError(`not the id of an upload's bytes: ${JSON.stringify(staging)}`);
  return staging;
}

/**
 * The one place where bytes are held against the name they are to have.
 * @param known the digest of the bytes, where somebody hashed them as they came
 * @throws LayerDigestMismatch
 */
export async function checkDigest(wanted: Digest, known: Digest | undefined, read: () => Bytes): Promise<void> {
  const algorithm = digestAlgorithm(wanted);
  const isKnown = known !== undefined && digestAlgorithm(known) === algorithm;
  const calculated = isKnown ? known : await hashOf(read(), algorithm);
  if (calculated !== wanted) throw refuse("LayerDigestMismatch");
}

/** Only a sealed copy says by itself whether it is what it should be. @throws RangeError */
export function checkSealed(blob: BlobId): BlobId {
  if (isSealed(blob.generation)) return blob;
  throw new RangeError(`not a sealed copy: ${blob.digest} ${JSON.stringify(blob.generation)}`);
}

/** @throws RangeError when the range is not within the content */
export function sliceOf(sizeBytes: number, range: ByteRange | undefined): { offset: number; sizeBytes: number } {
  if (!range) return { offset: 0, sizeBytes };
  const { first, last } = range;
  const isWithin = Number.isSafeInteger(first) && Number.isSafeInteger(last) && 0 <= first && first <= last;
  if (!isWithin || last >= sizeBytes) throw new RangeError(`no bytes ${first}-${last} in ${sizeBytes} bytes`);
  return { offset: first, sizeBytes: last - first + 1 };
}

/** @throws RangeError when an upload does not have the bytes that it is to have */
export function checkStagedBytes(stagedBytes: number, wantedBytes: number): void {
  const isSize = Number.isSafeInteger(wantedBytes) && wantedBytes >= 0;
  if (!isSize || stagedBytes < wantedBytes) throw tooFewBytes(stagedBytes, wantedBytes);
}

export function tooFewBytes(stagedBytes: number, wantedBytes: number): RangeError {
  return new RangeError(`${stagedBytes} bytes are staged, not ${wantedBytes}`);
}

export async function hashOf(bytes: Bytes, algorithm: DigestAlgorithm): Promise<Digest> {
  const hasher = new Bun.CryptoHasher(algorithm);
  for await (const chunk of bytes) hasher.update(chunk);
  return digestOf(algorithm, hasher.digest("hex"));
}
