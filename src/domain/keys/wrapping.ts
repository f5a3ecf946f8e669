import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { Arn } from "../names.ts";
import { keeperFormats } from "./keepers.ts";
import type { KeyWrapper } from "./ports.ts";

/** Master keys of 32 bytes, the one of today first. Those behind it only unwrap what has not been wrapped anew. */
export interface MasterKeys {
  /** As they were when somebody last looked. */
  known(): Promise<readonly Uint8Array[]>;
  /** As they are now. */
  refreshed(): Promise<readonly Uint8Array[]>;
}

/** A key is wrapped by a master key that this process does not have. */
export class MasterKeyMissing extends Error {
  override readonly name = "MasterKeyMissing";
  constructor(arn: string) {
    super(`the material of ${arn} is wrapped by a master key that is not here; see docs/kms.md`);
  }
}

const format = keeperFormats.local;
const idBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;
const headerBytes = 1 + idBytes;

/**
 * Wraps with a master key that is in this process: AES-256-GCM, with the name of what is wrapped as associated data, so
 * that rows cannot be exchanged for each other. A wrapped text says which master key it needs.
 */
export function createKeyWrapper(masterKeys: MasterKeys): KeyWrapper {
  async function find(id: Uint8Array): Promise<Uint8Array | undefined> {
    const isIt = (key: Uint8Array) => Buffer.from(masterKeyId(key)).equals(id);
    // Another process may have put a new one there.
    return (await masterKeys.known()).find(isIt) ?? (await masterKeys.refreshed()).find(isIt);
  }

  return {
    async wrap(material, name, version) {
      // Seldom, so it can afford to look: what is wrapped by a key of yesterday would be in the way of a rotation.
      const [key] = await masterKeys.refreshed();
      if (!key) throw new MasterKeyMissing(name);
      const header = Buffer.concat([Buffer.from([format]), masterKeyId(key)]);
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(associated(header, name, version));
      const sealed = Buffer.concat([cipher.update(material), cipher.final()]);
      return Buffer.concat([header, nonce, sealed, cipher.getAuthTag()]);
    },
    async unwrap(wrapped, name, version) {
      const bytes = Buffer.from(wrapped);
      const header = bytes.subarray(0, headerBytes);
      const key = await find(header.subarray(1));
      if (!key || bytes[0] !== format || bytes.length < headerBytes + nonceBytes + tagBytes) {
        throw new MasterKeyMissing(name);
      }
      const nonce = bytes.subarray(headerBytes, headerBytes + nonceBytes);
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(associated(header, name, version));
      decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
      const body = bytes.subarray(headerBytes + nonceBytes, bytes.length - tagBytes);
      return Buffer.concat([decipher.update(body), decipher.final()]);
    },
    async isCurrent(wrapped) {
      const [key] = await masterKeys.known();
      return key !== undefined && Buffer.from(wrapped.subarray(1, headerBytes)).equals(masterKeyId(key));
    },
  };
}

/** Tells master keys apart, and says nothing about them. */
export function masterKeyId(key: Uint8Array): Uint8Array {
  return createHash("sha256").update("berth master key id").update(key).digest().subarray(0, idBytes);
}

function associated(header: Uint8Array, name: Arn, version: number): Buffer {
  return Buffer.concat([header, Buffer.from(`${name} ${version}`, "utf8")]);
}
