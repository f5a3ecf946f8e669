import type { Principal } from "../../src/domain/access.ts";
import { rootPrincipal } from "../../src/domain/identity/credentials.ts";
import { newUniqueId } from "../../src/domain/identity/ids.ts";
import type { Identity, IdentityMetadata } from "../../src/domain/identity/ports.ts";
import type { Sealer } from "../../src/domain/identity/sealer.ts";
import { type AccountId, iamArn } from "../../src/domain/names.ts";

/** Somebody who can sign in. */
export interface Person {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly principal: Principal;
}

/** Makes people as another process would: straight in the database, so that nobody here is told of it. */
export interface Crowd {
  /** A user with these identity policies, made at this moment. */
  user(account: string, name: string, ...policies: object[]): Promise<Person>;
  /** The root user of another account than the configured one. */
  root(account: string): Promise<Person>;
  /** Resolves when nobody knows the person any more. */
  remove(person: Person): Promise<void>;
}

export const allow = (actions: string | string[], resource: string | string[] = "*", condition?: object) => ({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: actions, Resource: resource, ...(condition && { Condition: condition }) },
});

/** Resolves when nothing that decides is remembered any more. */
export const noticed = () => Bun.sleep(600);

export function createCrowd(metadata: IdentityMetadata, sealer: Sealer, clock: () => Date): Crowd {
  let made = 0;
  const keyOf = (purpose: string, principal: Principal) => {
    const pair = { accessKeyId: `AKIA${String(++made).padStart(16, "A")}`, secret: `secret of ${principal.arn}` };
    return { ...pair, sealed: sealer.seal(purpose, pair) };
  };

  async function ensureAccount(account: string) {
    const details = { name: account, email: `${account}@berth.test`, status: "ACTIVE", createdAt: clock() } as const;
    await metadata.transact(({ accounts }) => accounts.create({ id: account as AccountId, ...details }));
  }

  return {
    async user(account, name, ...policies) {
      await ensureAccount(account);
      const uniqueId = newUniqueId("user");
      const owner = { account: account as AccountId, kind: "user", path: "/", name, uniqueId } as const;
      const arn = iamArn(owner.account, "user", "/", name);
      const principal = { kind: "user", account: owner.account, arn, userId: uniqueId, identityId: uniqueId } as const;
      const { accessKeyId, secret, sealed } = keyOf("access-key", principal);
      await metadata.transact(async ({ identities, accessKeys }) => {
        const user = await identities.create({ ...owner, createdAt: clock(), tags: new Map() });
        const { id } = user as Identity;
        for (const [index, policy] of policies.entries()) {
          await identities.putInlinePolicy(id, `p${index}`, JSON.stringify(policy));
        }
        const key = { accessKeyId, account: owner.account, identityId: id, sealedSecret: sealed } as const;
        await accessKeys.create({ ...key, status: "Active", createdAt: clock() });
      });
      return { accessKeyId, secretAccessKey: secret, principal };
    },
    async root(account) {
      await ensureAccount(account);
      const principal = rootPrincipal(account as AccountId);
      const { accessKeyId, secret, sealed } = keyOf("root-key", principal);
      await metadata.transact(({ accounts }) =>
        accounts.update(principal.account, { rootKeyId: accessKeyId, rootSealedSecret: sealed }),
      );
      return { accessKeyId, secretAccessKey: secret, principal };
    },
    async remove({ accessKeyId, principal }) {
      await metadata.transact(async ({ identities, accessKeys }) => {
        await accessKeys.delete(accessKeyId);
        const user = await identities.ofUniqueId(principal.userId);
        if (user) await identities.delete(user.id);
      });
      await noticed();
    },
  };
}
