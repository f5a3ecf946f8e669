import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createPolicyCompiler } from "../policy/compiler.ts";
import { Refusal, refuse } from "./errors.ts";
import { type EncryptionContext, parseCiphertext } from "./keys/ciphertext.ts";
import { createKeyring, type Keyring } from "./keys/keyring.ts";
import { ensureServerKey, type ServerKeyParts, serverKeyId, serverRegistry } from "./keys/server-key.ts";
import { keyUnusable } from "./keys/unusable.ts";
import { parseKeyArn } from "./names.ts";
import { BlobDamaged, serverScope } from "./registry/encryption.ts";
import type { BlobKeys, KeyScope, StagingId } from "./registry/ports.ts";

export interface BlobKeysParts extends ServerKeyParts {
  readonly keyring: Keyring;
  /** Who seals what no user's key does: Berth, or the volume that it lies on. */
  readonly atRest: "sealed" | "volume";
}

/** As many as there are keys whose policies are asked about at once. */
const maxCompiledPolicies = 10_000;

/** Keys, and those of blobs, over what is kept: one of each in a process, which the server and every command have alike. */
export function createKeysAtRest(parts: Omit<BlobKeysParts, "keyring">) {
  const keyring = createKeyring({ ...parts, compile: createPolicyCompiler(maxCompiledPolicies).compile });
  return { keyring, blobKeys: createBlobKeys({ ...parts, keyring }) };
}

/** Which key each layer's own key is wrapped by, the innermost first. */
const layersOf = { AES256: ["server"], KMS: ["kms"], KMS_DSSE: ["kms", "server"] } as const;
type Type = keyof typeof layersOf;
type Holder = (typeof layersOf)[Type][number];
const types: readonly Type[] = ["AES256", "KMS", "KMS_DSSE"];

const keyBytes = 32;
const format = 1;
const checksumBytes = 8;

/**
 * Every copy of a blob has keys of its own, 32 random bytes for each layer of encryption. They lie beside it, each encrypted
 * by a key of KMS or by the server's own, with the copy's staging id and the layer in the encryption context:
 *
 *     format 1 byte · type 1 · for each layer: length 2 · ciphertext · checksum 8
 *
 * So a new master key, or new material of any key, rewrites no blob. The checksum is of all before it and of the staging
 * id; it tells a change from a key that is gone, and protects nothing: that is what the ciphertexts do.
 *
 * Nothing that was opened is remembered here, so that a key that is disabled opens nothing once the keyring knows of it.
 */
export function createBlobKeys(parts: BlobKeysParts): BlobKeys {
  const { keyring, atRest } = parts;

  async function encryptOwn(plaintext: Uint8Array, context: EncryptionContext): Promise<Uint8Array> {
    const encrypt = async () => (await keyring.encryptOwn(serverRegistry, serverKeyId, plaintext, context)).ciphertext;
    if (!(await keyring.find(serverKeyId))) {
      await ensureServerKey(parts);
      keyring.changed(serverKeyId);
    }
    return await encrypt();
  }

  async function encryptBy(scope: KeyScope, plaintext: Uint8Array, context: EncryptionContext): Promise<Uint8Array> {
    const arn = scope.slice(scope.indexOf(":") + 1);
    const { registry, id } = parseKeyArn(arn) ?? {};
    if (!registry || !id) throw new Error(`${scope} names no key`);
    return (await keyring.encryptOwn(registry, id, plaintext, context)).ciphertext;
  }

  /** What kept a text from being opened, as far as it is the key. */
  async function whyNot(holder: Holder, text: Uint8Array, error: unknown): Promise<unknown> {
    if (!(error instanceof Refusal) || !error.is("InvalidCiphertext")) return keyUnusable(error);
    const id = holder === "server" ? serverKeyId : parseCiphertext(text, "own")?.keyId;
    if (id === undefined || (await keyring.find(id))) return new BlobDamaged("the key of the blob does not open");
    const reason =
      holder === "server" ? "The server's own key is not in this database" : `Key '${arnIn(text)}' does not exist`;
    return refuse("KeyUnusable", { kmsError: "NotFoundException", reason });
  }

  return {
    seals: (scope) => scope !== serverScope || atRest === "sealed",

    async make(scope, staging) {
      const type = typeOf(scope);
      const keys: Uint8Array[] = [];
      const texts: Uint8Array[] = [];
      for (const [layer, holder] of layersOf[type].entries()) {
        const key = randomBytes(keyBytes);
        const context = contextOf(type, layer, staging);
        try {
          texts.push(holder === "server" ? await encryptOwn(key, context) : await encryptBy(scope, key, context));
        } catch (error) {
          throw keyUnusable(error);
        }
        keys.push(key);
      }
      return { keys, wrapped: encode(type, texts, staging) };
    },

    async open(wrapped, staging) {
      const { type, texts } = decode(wrapped, staging);
      const keys: Uint8Array[] = [];
      for (const [layer, holder] of layersOf[type].entries()) {
        const text = texts[layer] ?? new Uint8Array();
        try {
          keys.push((await keyring.decryptOwn(text, contextOf(type, layer, staging))).plaintext);
        } catch (error) {
          throw await whyNot(holder, text, error);
        }
      }
      return keys;
    },
  };
}

function typeOf(scope: KeyScope): Type {
  if (scope === serverScope) return "AES256";
  const type = types.find((some) => scope.startsWith(`${some}:`));
  if (!type) throw new Error(`${scope} is no scope of keys`);
  return type;
}

function contextOf(type: Type, layer: number, staging: StagingId): EncryptionContext {
  return new Map([
    ["berth:blob", staging],
    ["berth:layer", `${type} ${layer}`],
  ]);
}

function arnIn(text: Uint8Array): string {
  const { registry, keyId } = parseCiphertext(text, "own") ?? {};
  return registry ? `arn:aws:kms:${registry.region}:${registry.account}:key/${keyId}` : "";
}

function encode(type: Type, texts: readonly Uint8Array[], staging: StagingId): Uint8Array {
  const lengths = texts.map(({ length }) => Uint8Array.of(length >> 8, length & 0xff));
  const head = Uint8Array.of(format, types.indexOf(type));
  const body = Buffer.concat([head, ...texts.flatMap((text, index) => [lengths[index] ?? new Uint8Array(), text])]);
  return Buffer.concat([body, checksum(body, staging)]);
}

/** @throws BlobDamaged */
function decode(wrapped: Uint8Array, staging: StagingId): { type: Type; texts: Uint8Array[] } {
  const end = wrapped.length - checksumBytes;
  const body = wrapped.subarray(0, Math.max(0, end));
  const type = types[body[1] ?? types.length];
  if (end < 2 || !timingSafeEqual(checksum(body, staging), wrapped.subarray(end)) || body[0] !== format || !type) {
    throw new BlobDamaged("the key beside the blob is not the one that was stored with it");
  }
  const texts: Uint8Array[] = [];
  for (let at = 2; at < end; ) {
    const length = ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0);
    texts.push(body.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return { type, texts };
}

function checksum(body: Uint8Array, staging: StagingId): Uint8Array {
  return createHash("sha256").update(body).update(staging).digest().subarray(0, checksumBytes);
}
