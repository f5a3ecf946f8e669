import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { AccountId } from "../names.ts";
import { maxKeysOfUser } from "./access-keys.ts";
import { maxGroups, maxGroupsOfUser } from "./groups.ts";
import type { IdentityMetadata } from "./ports.ts";
import { maxUsers } from "./users.ts";

/** What IAM says of an account as a whole. */
export interface AccountFacts {
  alias(granted: Granted): Promise<string | undefined>;
  /** Takes the place of the alias before. @throws EntityAlreadyExists when another account has it */
  setAlias(granted: Granted, alias: string): Promise<void>;
  /** @throws NoSuchEntity when it is not the account's alias */
  removeAlias(granted: Granted, alias: string): Promise<void>;
  /** How much there is, and how much there may be, as GetAccountSummary names it. */
  summary(granted: Granted): Promise<ReadonlyMap<string, number>>;
  /** Since when there is an account. */
  createdAt(account: AccountId): Promise<Date | undefined>;
}

export function createAccountFacts({ metadata }: { metadata: IdentityMetadata }): AccountFacts {
  const { accounts, identities, managedPolicies, oidcProviders } = metadata.read;

  return {
    alias: async ({ registry: { account } }) => (await accounts.find(account))?.alias,

    async setAlias({ registry: { account } }, alias) {
      await metadata.transact(async ({ accounts }) => {
        if (await accounts.setAlias(account, alias)) return;
        throw refuse("EntityAlreadyExists", { reason: `The account alias ${alias} already exists.` });
      });
    },

    async removeAlias({ registry: { account } }, alias) {
      await metadata.transact(async ({ accounts }) => {
        if ((await accounts.find(account))?.alias !== alias) {
          throw refuse("NoSuchEntity", { reason: `The account alias ${alias} cannot be found.` });
        }
        await accounts.setAlias(account, undefined);
      });
    },

    async summary({ registry: { account } }) {
      const [users, groups, roles, policies, providers] = await Promise.all([
        identities.count(account, "user"),
        identities.count(account, "group"),
        identities.count(account, "role"),
        managedPolicies.count(account),
        oidcProviders.list(account),
      ]);
      return new Map([
        ["Users", users],
        ["UsersQuota", maxUsers],
        ["Groups", groups],
        ["GroupsQuota", maxGroups],
        ["Roles", roles],
        ["Policies", policies],
        ["AccessKeysPerUserQuota", maxKeysOfUser],
        ["GroupsPerUserQuota", maxGroupsOfUser],
        ["AccountAccessKeysPresent", 1],
        ["AccountMFAEnabled", 0],
        ["AccountPasswordPresent", 0],
        ["MFADevices", 0],
        ["MFADevicesInUse", 0],
        ["Providers", providers.length],
        ["ServerCertificates", 0],
      ]);
    },

    createdAt: async (account) => (await accounts.find(account))?.createdAt,
  };
}
