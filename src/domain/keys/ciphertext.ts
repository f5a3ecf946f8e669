import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { type KeyId, keyArn, parseAccountId, parseKeyId, parseRegion, type Registry } from "../names.ts";
import { serverRegistry } from "./server-key.ts";

export type EncryptionContext = ReadonlyMap<string, string>;

/**
 * For whom a text was encrypted: for who calls KMS, or for Berth itself, by the same keys. Nothing of the one opens as the
 * other, so nobody who may use a key can make the key of a blob by it, or open one.
 */
export type CiphertextUse = "kms" | "own";

/** What a ciphertext says of itself, in the clear. Whether it is true, only opening it tells. */
export interface CiphertextHeader {
  readonly registry: Registry;
  readonly keyId: KeyId;
  /** Of the key's material. */
  readonly version: number;
}

/**
 * A ciphertext says all that is needed to open it but the secret:
 *
 *     format 1 byte · account 6 · length of the region 1 · region · key id 16 · material version 4
 *     · salt 16 · nonce 12 · sealed text · tag 16
 *
 * Everything before the salt and the encryption context are associated data. Each has a key of its own, made of the
 * material and the salt (HKDF-SHA256), so that no number of them uses up a key of AES-GCM. One of the server's own key has
 * no account and no region. The format tells what KMS gives out from what Berth keeps for itself.
 */
const formats = { kms: 1, own: 2 } as const;
const saltBytes = 16;
const nonceBytes = 12;
const tagBytes = 16;
const fixedHeaderBytes = 1 + 6 + 1;

export function sealText(
  header: CiphertextHeader,
  material: Uint8Array,
  plaintext: Uint8Array,
  context: EncryptionContext,
  use: CiphertextUse = "kms",
): Uint8Array {
  const head = encodeHeader(header, use);
  const salt = randomBytes(saltBytes);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", textKey(material, salt), nonce);
  cipher.setAAD(associated(head, context));
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([head, salt, nonce, sealed, cipher.getAuthTag()]);
}

/** `undefined` for what was changed, was made with other material, or with another encryption context. */
export function openText(
  ciphertext: Uint8Array,
  material: Uint8Array,
  context: EncryptionContext,
): Uint8Array | undefined {
  const read = decodeHeader(ciphertext);
  if (!read) return undefined;
  const bytes = Buffer.from(ciphertext);
  const head = bytes.subarray(0, read.length);
  const salt = bytes.subarray(head.length, head.length + saltBytes);
  const nonce = bytes.subarray(head.length + saltBytes, head.length + saltBytes + nonceBytes);
  const decipher = createDecipheriv("aes-256-gcm", textKey(material, salt), nonce, { authTagLength: tagBytes });
  decipher.setAAD(associated(head, context));
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  try {
    const body = bytes.subarray(head.length + saltBytes + nonceBytes, bytes.length - tagBytes);
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** `undefined` for what is no ciphertext for this use. To KMS, nothing is one of the server's own key. */
export function parseCiphertext(ciphertext: Uint8Array, use: CiphertextUse = "kms"): CiphertextHeader | undefined {
  const header = decodeHeader(ciphertext)?.header;
  const isOther = ciphertext[0] !== formats[use] || (use === "kms" && header?.registry === serverRegistry);
  return isOther ? undefined : header;
}

export function arnOfCiphertext({ registry, keyId }: CiphertextHeader) {
  return keyArn(registry, keyId);
}

function encodeHeader({ registry: { account, region }, keyId, version }: CiphertextHeader, use: CiphertextUse): Buffer {
  const head = Buffer.alloc(fixedHeaderBytes);
  head[0] = formats[use];
  head.writeUIntBE(Number(account), 1, 6);
  head[7] = region.length;
  const versionBytes = Buffer.alloc(4);
  versionBytes.writeUInt32BE(version);
  return Buffer.concat([
    head,
    Buffer.from(region, "latin1"),
    Buffer.from(keyId.replaceAll("-", ""), "hex"),
    versionBytes,
  ]);
}

function decodeHeader(ciphertext: Uint8Array): { header: CiphertextHeader; length: number } | undefined {
  const bytes = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength);
  if (bytes.length < fixedHeaderBytes || !Object.values<number>(formats).includes(bytes[0] ?? 0)) return undefined;
  const regionBytes = bytes[7] ?? 0;
  const length = fixedHeaderBytes + regionBytes + 16 + 4;
  if (bytes.length < length + saltBytes + nonceBytes + tagBytes) return undefined;
  const keyId = parseKeyId(uuidOf(bytes.toString("hex", fixedHeaderBytes + regionBytes, length - 4)));
  const registry = decodeRegistry(
    bytes.readUIntBE(1, 6),
    bytes.toString("latin1", fixedHeaderBytes, fixedHeaderBytes + regionBytes),
  );
  if (!registry || !keyId) return undefined;
  return { header: { registry, keyId, version: bytes.readUInt32BE(length - 4) }, length };
}

function decodeRegistry(accountNumber: number, regionText: string): Registry | undefined {
  if (accountNumber === 0 && regionText === "") return serverRegistry;
  const account = parseAccountId(String(accountNumber).padStart(12, "0"));
  const region = parseRegion(regionText);
  return account && region && { account, region };
}

function uuidOf(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function textKey(material: Uint8Array, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", material, salt, "berth kms ciphertext", 32));
}

/** The context by bytes of its keys and with the length of each part, so that no two contexts look the same. */
function associated(head: Uint8Array, context: EncryptionContext): Buffer {
  const pairs = [...context].map(([key, value]) => [Buffer.from(key, "utf8"), Buffer.from(value, "utf8")] as const);
  pairs.sort(([one], [other]) => Buffer.compare(one, other));
  return Buffer.concat([head, ...pairs.flatMap((pair) => pair.flatMap((part) => [lengthOf(part), part]))]);
}

function lengthOf(part: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(part.length);
  return length;
}
