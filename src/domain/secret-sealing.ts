import { Refusal, refuse } from "./errors.ts";
import type { EncryptionContext } from "./keys/ciphertext.ts";
import type { Keyring } from "./keys/keyring.ts";
import { ensureServerKey, type ServerKeyParts, serverKeyId, serverRegistry } from "./keys/server-key.ts";
import type { SealedName, SecretSealer } from "./secrets/ports.ts";

/**
 * Values of secrets, sealed by the server's own key. To which secret, version and account a value belongs is in the
 * encryption context, so rows that somebody exchanges do not open.
 */
export function createSecretSealer(parts: ServerKeyParts & { readonly keyring: Keyring }): SecretSealer {
  const { keyring } = parts;
  return {
    async seal(value, of) {
      if (!(await keyring.find(serverKeyId))) {
        await ensureServerKey(parts);
        keyring.changed(serverKeyId);
      }
      return (await keyring.encryptOwn(serverRegistry, serverKeyId, value, contextOf(of))).ciphertext;
    },
    async open(sealed, of) {
      try {
        const { key, plaintext } = await keyring.decryptOwn(sealed, contextOf(of));
        if (key.id === serverKeyId) return plaintext;
      } catch (cause) {
        if (!(cause instanceof Refusal)) throw cause;
        throw refuse("SecretUnreadable", undefined, { cause });
      }
      throw refuse("SecretUnreadable");
    },
  };
}

function contextOf({ arn, version, kind }: SealedName): EncryptionContext {
  return new Map([
    ["berth:secret", arn],
    ["berth:version", version],
    ["berth:kind", kind],
  ]);
}
