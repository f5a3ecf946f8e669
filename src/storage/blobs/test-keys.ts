import { createCipheriv, createDecipheriv, createHash, randomBytes, randomUUID } from "node:crypto";
import { refuse } from "../../domain/errors.ts";
import { BlobDamaged } from "../../domain/registry/encryption.ts";
import type { BlobKeys, KeyScope } from "../../domain/registry/ports.ts";

const disabled = "the key is disabled";

export interface TestKeys extends BlobKeys {
  /** Thrown by the verbs while it is set: a key that cannot be used. */
  failure: Error | undefined;
  /** Which scopes have a key that opens: the others' is disabled. */
  openable: (scope: KeyScope) => boolean;
  /** From now on the key of every scope is another. */
  lose(): void;
}

/**
 * Keys of blobs under one AES key for each scope, which is made of the secret. Scopes that begin with `KMS_DSSE` have two
 * layers.
 */
export function testKeys(options: { seals?: boolean; secret?: string } = {}): TestKeys {
  const { seals = true } = options;
  let { secret = randomUUID() as string } = options;
  const keyOf = (scope: KeyScope) => createHash("sha256").update(`${secret} ${scope}`).digest();
  const keys: TestKeys = {
    failure: undefined,
    openable: () => true,
    lose() {
      secret = randomUUID();
    },
    seals: () => seals,
    async make(scope, staging) {
      if (keys.failure) throw keys.failure;
      const made = Array.from({ length: scope.startsWith("KMS_DSSE") ? 2 : 1 }, () => randomBytes(32));
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", keyOf(scope), nonce).setAAD(Buffer.from(staging));
      const sealed = Buffer.concat([cipher.update(Buffer.concat(made)), cipher.final()]);
      const name = Buffer.from(scope);
      return {
        keys: made,
        wrapped: Buffer.concat(
          [[name.length], name, nonce, cipher.getAuthTag(), sealed].map((part) => Buffer.from(part)),
        ),
      };
    },
    async open(wrapped, staging) {
      if (keys.failure) throw keys.failure;
      const bytes = Buffer.from(wrapped);
      const nameEnd = 1 + (bytes[0] ?? 0);
      const scope = bytes.toString("utf8", 1, nameEnd) as KeyScope;
      if (!keys.openable(scope)) throw refuse("KeyUnusable", { kmsError: "DisabledException", reason: disabled });
      const [nonce, tag] = [bytes.subarray(nameEnd, nameEnd + 12), bytes.subarray(nameEnd + 12, nameEnd + 28)];
      const sealed = bytes.subarray(nameEnd + 28);
      try {
        const decipher = createDecipheriv("aes-256-gcm", keyOf(scope), nonce).setAAD(Buffer.from(staging));
        decipher.setAuthTag(tag);
        const opened = Buffer.concat([decipher.update(sealed), decipher.final()]);
        return Array.from({ length: opened.length / 32 }, (_, at) => opened.subarray(at * 32, at * 32 + 32));
      } catch {
        throw new BlobDamaged("the wrapped key was changed, or is of another copy");
      }
    },
  };
  return keys;
}
