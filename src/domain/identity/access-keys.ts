import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { AccountId } from "../names.ts";
import { accessKeyPurpose } from "./credentials.ts";
import { findEntity, lockEntity } from "./entities.ts";
import { newAccessKeyId, newSecret } from "./ids.ts";
import type { AccessKey, Identity, IdentityMetadata, IdentityNouns } from "./ports.ts";
import type { Sealer } from "./sealer.ts";

/** So that a key can be replaced while the other one is in use. */
export const maxKeysOfUser = 2;

/** Key pairs of users. */
export interface AccessKeyService {
  /** Asks no permission: it is how a request finds out what it needs one for. */
  findWithUser(accessKeyId: string): Promise<{ readonly key: AccessKey; readonly user: Identity } | undefined>;
  /** Oldest first. @throws NoSuchEntity */
  list(granted: Granted, userName: string): Promise<AccessKey[]>;
  /** The secret is shown here and never again. @throws NoSuchEntity, LimitExceeded */
  create(granted: Granted, userName: string): Promise<AccessKey & { readonly secret: string }>;
  /** @throws NoSuchEntity */
  setStatus(granted: Granted, userName: string, accessKeyId: string, status: AccessKey["status"]): Promise<void>;
  /** @throws NoSuchEntity */
  delete(granted: Granted, userName: string, accessKeyId: string): Promise<void>;
  /** @throws NoSuchEntity for a key of another account as for none */
  lastUse(granted: Granted, accessKeyId: string): Promise<{ readonly key: AccessKey; readonly user: Identity }>;
}

export interface AccessKeyParts {
  readonly metadata: IdentityMetadata;
  readonly sealer: Sealer;
  readonly changed: () => void;
  readonly clock: () => Date;
}

export function createAccessKeys({ metadata, sealer, changed, clock }: AccessKeyParts): AccessKeyService {
  const { accessKeys } = metadata.read;

  return {
    findWithUser: (accessKeyId) => accessKeys.findWithUser(accessKeyId),

    async list({ registry: { account } }, userName) {
      const { id } = await findEntity(metadata.read, account, "user", userName);
      return accessKeys.ofUser(id);
    },

    async create({ registry: { account } }, userName) {
      const [accessKeyId, secret] = [newAccessKeyId(), newSecret()];
      const sealedSecret = sealSecret(sealer, accessKeyId, secret);
      const key = await metadata.transact(async (nouns) => {
        const { id } = await lockEntity(nouns, account, "user", userName);
        if ((await nouns.accessKeys.ofUser(id)).length >= maxKeysOfUser) {
          throw refuse("LimitExceeded", { reason: `Cannot exceed quota for AccessKeysPerUser: ${maxKeysOfUser}` });
        }
        const created = { accessKeyId, account, identityId: id, sealedSecret, status: "Active", createdAt: clock() };
        await nouns.accessKeys.create(created as AccessKey);
        return created as AccessKey;
      });
      changed();
      return { ...key, secret };
    },

    async setStatus({ registry: { account } }, userName, accessKeyId, status) {
      await metadata.transact(async (nouns) => {
        await requireKey(nouns, account, userName, accessKeyId);
        await nouns.accessKeys.setStatus(accessKeyId, status);
      });
      changed();
    },

    async delete({ registry: { account } }, userName, accessKeyId) {
      await metadata.transact(async (nouns) => {
        await requireKey(nouns, account, userName, accessKeyId);
        await nouns.accessKeys.delete(accessKeyId);
      });
      changed();
    },

    async lastUse({ registry: { account } }, accessKeyId) {
      const found = await accessKeys.findWithUser(accessKeyId);
      if (found?.key.account !== account) throw missing(accessKeyId);
      return found;
    },
  };
}

/** @throws NoSuchEntity also for another user's key */
async function requireKey(nouns: IdentityNouns, account: AccountId, userName: string, accessKeyId: string) {
  const { id } = await findEntity(nouns, account, "user", userName);
  const key = await nouns.accessKeys.find(accessKeyId);
  if (key?.identityId !== id) throw missing(accessKeyId);
}

function missing(accessKeyId: string) {
  return refuse("NoSuchEntity", { reason: `The Access Key with id ${accessKeyId} cannot be found.` });
}

/** The id is sealed with the secret: nobody who can write to the database can give a key somebody else's secret. */
function sealSecret(sealer: Sealer, accessKeyId: string, secret: string): string {
  return sealer.seal(accessKeyPurpose, { accessKeyId, secret });
}
