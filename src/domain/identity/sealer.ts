import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/**
 * Turns a value into an opaque text that only this deployment can make or read. Tokens are sealed rather than stored:
 * nothing has to be looked up or cleaned away, and a copy of the database holds none of them.
 */
export interface Sealer {
  seal(purpose: string, value: unknown): string;
  /** `undefined` for whatever was not sealed here, for this purpose, unchanged. */
  open(purpose: string, sealed: string): unknown;
}

const nonceBytes = 12;
const tagBytes = 16;

/** Longest text that is looked at. Ours stay far below it; a longer one is somebody's attempt to keep us busy. */
const maxSealedLength = 16_384;

/** AES-256-GCM with a key for each purpose (HKDF-SHA256), so that a token of one kind can never pass for another. */
export function createSealer(masterKey: Uint8Array): Sealer {
  if (masterKey.length !== 32) throw new RangeError("the sealing key has 32 bytes");
  const keys = new Map<string, Buffer>();
  function keyFor(purpose: string): Buffer {
    let key = keys.get(purpose);
    if (!key) {
      key = Buffer.from(hkdfSync("sha256", masterKey, "berth", `seal:${purpose}`, 32));
      keys.set(purpose, key);
    }
    return key;
  }
  return {
    seal(purpose, value) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", keyFor(purpose), nonce);
      const sealed = Buffer.concat([cipher.update(JSON.stringify(value), "utf8"), cipher.final()]);
      return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString("base64url");
    },
    open(purpose, sealed) {
      if (sealed.length > maxSealedLength || !/^[A-Za-z0-9_-]+$/.test(sealed)) return undefined;
      const bytes = Buffer.from(sealed, "base64url");
      // Base64 leaves bits over at the end. Only the one spelling that we make is ours.
      if (bytes.length < nonceBytes + tagBytes || bytes.toString("base64url") !== sealed) return undefined;
      const decipher = createDecipheriv("aes-256-gcm", keyFor(purpose), bytes.subarray(0, nonceBytes));
      decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
      try {
        const body = bytes.subarray(nonceBytes, bytes.length - tagBytes);
        return JSON.parse(Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8"));
      } catch {
        return undefined;
      }
    },
  };
}
