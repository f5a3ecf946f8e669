import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { type KeyAlias, type KeyId, keyAliasArn, keyArn, parseKeyAlias } from "../names.ts";
import type { Keyring } from "./keyring.ts";
import type { KeyMetadata, KeyNouns, Paged, StoredAlias } from "./ports.ts";
import { aliasNotFound, decidedKey, notFound } from "./references.ts";
import { mustNotBePending } from "./states.ts";

/** Other names of keys. */
export interface AliasService {
  /** The key is that of the grant's last need. @throws KeyAliasExists, KeyNotFound, KeyInvalidState, LimitExceeded */
  create(granted: Granted, name: KeyAlias): Promise<void>;
  /** Likewise. @throws KeyNotFound, KeyInvalidState, LimitExceeded */
  update(granted: Granted, name: KeyAlias): Promise<void>;
  /** @throws KeyNotFound */
  delete(granted: Granted, name: KeyAlias): Promise<void>;
  list(granted: Granted, page: Paged<KeyAlias>, keyId?: KeyId): Promise<StoredAlias[]>;
}

export interface AliasParts {
  readonly metadata: KeyMetadata;
  readonly keyring: Keyring;
  readonly clock: () => Date;
}

/** Of one key (KMS developer guide, "Resource quotas"). */
const maxAliases = 50;

/** @throws InvalidKeyAlias, and KeyAliasReserved for a name that is AWS's to give */
export function ownAlias(text: string): KeyAlias {
  if (!text.startsWith("alias/")) {
    const reason =
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html';
    throw refuse("InvalidKeyAlias", { reason });
  }
  if (text.startsWith("alias/aws/")) throw refuse("KeyAliasReserved");
  const alias = parseKeyAlias(text);
  if (!alias) throw refuse("InvalidKeyAlias", { reason: `${text} contains invalid characters for an alias` });
  return alias;
}

export function createAliases({ metadata, keyring, clock }: AliasParts): AliasService {
  /** The key that is to have one more name. */
  async function target({ keys, keyAliases }: KeyNouns, granted: Granted): Promise<KeyId> {
    const { registry, id } = decidedKey(granted, granted.needs.length - 1);
    const key = await keys.lock(id);
    if (!key || keyArn(key.registry, id) !== keyArn(granted.registry, id)) throw notFound(registry, id);
    mustNotBePending(key);
    if ((await keyAliases.list(registry, { limit: maxAliases }, id)).length === maxAliases) {
      throw refuse("LimitExceeded", { reason: `A key can have ${maxAliases} aliases` });
    }
    return id;
  }

  return {
    async create(granted, name) {
      const { registry } = granted;
      await metadata.transact(async (nouns) => {
        const keyId = await target(nouns, granted);
        const now = clock();
        if (!(await nouns.keyAliases.create({ registry, name, keyId, createdAt: now, updatedAt: now }))) {
          throw refuse("KeyAliasExists", { arn: keyAliasArn(registry, name) });
        }
      });
      keyring.changed();
    },
    async update(granted, name) {
      const { registry } = granted;
      await metadata.transact(async (nouns) => {
        const keyId = await target(nouns, granted);
        if (!(await nouns.keyAliases.update(registry, name, keyId, clock()))) throw aliasNotFound(registry, name);
      });
      keyring.changed();
    },
    async delete({ registry }, name) {
      const wasThere = await metadata.transact(({ keyAliases }) => keyAliases.delete(registry, name));
      if (!wasThere) throw aliasNotFound(registry, name);
      keyring.changed();
    },
    list: ({ registry }, page, keyId) => metadata.read.keyAliases.list(registry, page, keyId),
  };
}
