import { createCipheriv, createDecipheriv, type DecipherGCM, randomFillSync } from "node:crypto";
import { BlobDamaged } from "../../domain/registry/encryption.ts";
import { type BlobId, type BlobKey, maxWrappedBytes } from "../../domain/registry/ports.ts";

/**
 * What a sealed copy is made of: a header, and the content in chunks, each sealed by itself, so that a range needs only
 * its own. docs/decisions/0013 says why it is so. Nothing here touches a disk.
 *
 * Header, 512 bytes, numbers in network order:
 *
 *     0  magic and version            400  length of the content
 *     8  size of a chunk              408  seal: of the header, the digest and the generation
 *    12  layers of encryption         464  zeros
 *    14  length of the wrapped key
 *    16  wrapped key, then zeros
 *
 * What stands from 400 on is written when the copy is committed; until then the length is a note (sealed-staging.ts). A chunk is its seal and as many bytes of ciphertext as it
 * has of content. A seal is a nonce and a tag for each layer, and zeros for one that there is not.
 */

/** The cheapest in a trial; small enough to be held in memory for every request. */
export const chunkBytes = 256 * 1024;
export const headerBytes = 512;

const magic = Buffer.from("BERTHSB\x01", "latin1");
const aboutChunk = Buffer.from("BERTHSC\x01", "latin1");
const lengthAt = 400;
const headerSealAt = 408;

const cipherName = "aes-256-gcm";
const [nonceBytes, tagBytes, maxLayers] = [12, 16, 2];
const layerBytes = nonceBytes + tagBytes;
/** The same for one layer and for two, so that a file's size alone says how much content it has. */
const sealBytes = maxLayers * layerBytes;
const sealedChunkBytes = sealBytes + chunkBytes;

type Keys = BlobKey["keys"];

// ── Where things are ────────────────────────────────────────────────────────────────────────────────────────────────

export function fileBytesOf(contentBytes: number): number {
  return headerBytes + contentBytes + Math.ceil(contentBytes / chunkBytes) * sealBytes;
}

/** The inverse. Of a size that no sealed file has, about as much. */
export function contentBytesOf(fileBytes: number): number {
  const bodyBytes = Math.max(0, fileBytes - headerBytes);
  const chunks = Math.floor(bodyBytes / sealedChunkBytes);
  return chunks * chunkBytes + Math.max(0, (bodyBytes % sealedChunkBytes) - sealBytes);
}

export function positionOf(chunk: number): number {
  return headerBytes + chunk * sealedChunkBytes;
}

export function sealedBytesOf(plainBytes: number): number {
  return sealBytes + plainBytes;
}

/** Which chunk has the byte at `offset`. */
export function chunkAt(offset: number): number {
  return Math.floor(offset / chunkBytes);
}

// ── Header ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Header {
  readonly bytes: Buffer;
  readonly layers: number;
  readonly wrapped: Uint8Array;
}

export function newHeader({ keys, wrapped }: BlobKey): Header {
  if (!areKeys(keys) || wrapped.length > maxWrappedBytes) throw new RangeError("not the key of a blob");
  const bytes = Buffer.alloc(headerBytes);
  magic.copy(bytes);
  bytes.writeUInt32BE(chunkBytes, 8);
  bytes[12] = keys.length;
  bytes.writeUInt16BE(wrapped.length, 14);
  bytes.set(wrapped, 16);
  return { bytes, layers: keys.length, wrapped };
}

/** `undefined` for what is no header of ours. What it says is believed only after `checkHeader`. */
export function parseHeader(bytes: Buffer): Header | undefined {
  if (bytes.length !== headerBytes || !bytes.subarray(0, magic.length).equals(magic)) return undefined;
  const layers = bytes.readUInt8(12);
  const wrappedBytes = bytes.readUInt16BE(14);
  const isOurs = bytes.readUInt32BE(8) === chunkBytes && 1 <= layers && layers <= maxLayers;
  if (!isOurs || wrappedBytes > maxWrappedBytes) return undefined;
  return { bytes, layers, wrapped: bytes.subarray(16, 16 + wrappedBytes) };
}

/**
 * For an upload: that the file has ended after so much content, when its size is about to say something else. Answers
 * what of the header changes, and where.
 */
export function noteLength(
  { bytes }: Pick<Header, "bytes">,
  contentBytes: number,
): { changed: Uint8Array; position: number } {
  bytes.writeBigUInt64BE(BigInt(contentBytes), lengthAt);
  return { changed: bytes.subarray(lengthAt, lengthAt + 8), position: lengthAt };
}

export function notedLength({ bytes }: Pick<Header, "bytes">): number {
  return Number(bytes.readBigUInt64BE(lengthAt));
}

/** Completes the header of a copy with so much content. */
export function endHeader({ bytes }: Header, keys: Keys, contentBytes: number, id: BlobId): void {
  noteLength({ bytes }, contentBytes);
  seal(keys, aboutHeader(bytes, id), new Uint8Array(), bytes.subarray(headerSealAt, headerSealAt + sealBytes));
}

/** Answers how much content there is. @throws BlobDamaged unless all of the header is what was written for this copy */
export function checkHeader({ bytes }: Header, keys: Keys, id: BlobId): number {
  const sealed = bytes.subarray(headerSealAt, headerSealAt + sealBytes);
  if (!open(keys, aboutHeader(bytes, id), new Uint8Array(), sealed)) throw damaged("the header", id);
  return notedLength({ bytes });
}

/** All of it but the seal. */
function aboutHeader(bytes: Buffer, { digest, generation }: BlobId): Buffer {
  const [before, behind] = [bytes.subarray(0, headerSealAt), bytes.subarray(headerSealAt + sealBytes)];
  return Buffer.concat([before, behind, Buffer.from(`${generation} ${digest}`)]);
}

// ── Chunks ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Into `target` from `at` on. Answers where it ends. */
export function sealChunk(keys: Keys, chunk: number, plain: Uint8Array, target: Buffer, at: number): number {
  const sealed = target.subarray(at, at + sealBytes).fill(0);
  target.set(seal(keys, aboutOf(chunk), plain, sealed), at + sealBytes);
  return at + sealBytes + plain.length;
}

/** `undefined` where this is not what was sealed as this chunk with these keys. */
export function openChunk(keys: Keys, chunk: number, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length <= sealBytes) return undefined;
  return open(keys, aboutOf(chunk), sealed.subarray(sealBytes), sealed.subarray(0, sealBytes));
}

function aboutOf(chunk: number): Buffer {
  const about = Buffer.alloc(aboutChunk.length + 8);
  aboutChunk.copy(about);
  about.writeBigUInt64BE(BigInt(chunk), aboutChunk.length);
  return about;
}

// ── Layers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An outer layer seals the ciphertext of the inner one, and vouches for its nonce and tag. */
function seal(keys: Keys, about: Buffer, plain: Uint8Array, sealed: Buffer): Uint8Array {
  let text = plain;
  for (const [layer, key] of keys.entries()) {
    const inner = layer * layerBytes;
    const nonce = randomFillSync(sealed.subarray(inner, inner + nonceBytes));
    const cipher = createCipheriv(cipherName, key, nonce);
    cipher.setAAD(Buffer.concat([about, sealed.subarray(0, inner)]));
    text = cipher.update(text);
    cipher.final();
    cipher.getAuthTag().copy(sealed, inner + nonceBytes);
  }
  return text;
}

function open(keys: Keys, about: Buffer, ciphertext: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.subarray(keys.length * layerBytes).some((byte) => byte !== 0)) return undefined;
  let text = ciphertext;
  for (const [layer, key] of [...keys.entries()].reverse()) {
    const inner = layer * layerBytes;
    const decipher = createDecipheriv(cipherName, key, sealed.subarray(inner, inner + nonceBytes));
    decipher.setAAD(Buffer.concat([about, sealed.subarray(0, inner)]));
    decipher.setAuthTag(sealed.subarray(inner + nonceBytes, inner + layerBytes));
    text = decipher.update(text);
    if (!isAuthentic(decipher)) return undefined;
  }
  return text;
}

function isAuthentic(decipher: DecipherGCM): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}

function areKeys(keys: Keys): boolean {
  return 1 <= keys.length && keys.length <= maxLayers && keys.every((key) => key.length === 32);
}

/** @throws BlobDamaged when these are not the keys of a copy with this header */
export function checkKeys({ layers }: Header, keys: Keys, id: Pick<BlobId, "generation">): void {
  if (keys.length !== layers || !areKeys(keys)) throw damaged("the number of layers", id);
}

export function damaged(what: string, { generation }: Pick<BlobId, "generation">): BlobDamaged {
  return new BlobDamaged(`${what} of the sealed copy ${generation} is not what was stored`);
}
