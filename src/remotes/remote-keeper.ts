import { KeeperFailed, type KeeperKind, keeperFormats } from "../domain/keys/keepers.ts";
import { materialBytes } from "../domain/keys/keys.ts";
import type { KeyWrapper } from "../domain/keys/ports.ts";
import type { Arn } from "../domain/names.ts";

/** A service that encrypts and decrypts, and binds what it encrypts to a name. */
export interface RemoteKey {
  encrypt(material: Uint8Array, name: Arn, version: number): Promise<Encrypted>;
  /** @throws KeeperFailed */
  decrypt(encrypted: Encrypted, name: Arn, version: number): Promise<Uint8Array>;
}

export interface Encrypted {
  /** Which of its keys did it. The same mark is put on everything that it encrypts today. */
  readonly mark: string;
  readonly ciphertext: Uint8Array;
}

export interface RemoteKeeperParts {
  readonly kind: KeeperKind;
  readonly key: RemoteKey;
  readonly clock: () => Date;
}

/** How long the mark of today is believed. Its key may be rotated at any time, and whoever rewraps wants to know soon. */
const markMs = 10_000;
const headerBytes = 3;
/** For what is encrypted only to see how. */
const nobody = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000" as Arn;

/** A keeper over a service. A wrapped text is a byte for the kind, the mark with its length, and what the service made. */
export function createRemoteKeeper({ kind, key, clock }: RemoteKeeperParts): KeyWrapper {
  let today: { readonly mark: string; readonly at: number } | undefined;

  async function encrypt(material: Uint8Array, name: Arn, version: number): Promise<Encrypted> {
    const encrypted = await key.encrypt(material, name, version);
    today = { mark: encrypted.mark, at: clock().getTime() };
    return encrypted;
  }

  return {
    async wrap(material, name, version) {
      const { mark, ciphertext } = await encrypt(material, name, version);
      const header = Buffer.alloc(headerBytes);
      header.writeUInt8(keeperFormats[kind]);
      header.writeUInt16BE(Buffer.byteLength(mark), 1);
      return Buffer.concat([header, Buffer.from(mark), ciphertext]);
    },
    async unwrap(wrapped, name, version) {
      const encrypted = parse(wrapped);
      if (!encrypted) throw new KeeperFailed(`the wrapped material of ${name} is cut off`, false);
      const material = await key.decrypt(encrypted, name, version);
      if (material.length === materialBytes) return material;
      throw new KeeperFailed(`the material of ${name} is not what it was when it was wrapped`, false);
    },
    async isCurrent(wrapped) {
      // Only what it encrypts says which key it takes today: to be told otherwise needs one more permission.
      if (!today || today.at + markMs < clock().getTime()) await encrypt(new Uint8Array(materialBytes), nobody, 0);
      return parse(wrapped)?.mark === today?.mark;
    },
  };
}

/** `undefined` for what is cut off. */
function parse(wrapped: Uint8Array): Encrypted | undefined {
  const bytes = Buffer.from(wrapped);
  if (bytes.length < headerBytes) return undefined;
  const end = headerBytes + bytes.readUInt16BE(1);
  if (bytes.length <= end) return undefined;
  return { mark: bytes.toString("utf8", headerBytes, end), ciphertext: bytes.subarray(end) };
}
