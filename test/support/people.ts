import type { Principal } from "../../src/domain/access.ts";
import { rootPrincipal, userPrincipal } from "../../src/domain/identity/credentials.ts";
import type { IdentityMetadata } from "../../src/domain/identity/ports.ts";
import { createSealer } from "../../src/domain/identity/sealer.ts";
import type { AccountId } from "../../src/domain/names.ts";

/** Somebody who can sign in with a key pair. */
export interface Person {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly principal: Principal;
}

export interface Crowd {
  /** Makes a user with inline policies, and its account if need be. */
  user(account: string, name: string, ...policies: object[]): Promise<Person>;
  /** Makes the account if need be, and a key pair of its root user. */
  root(account: string): Promise<Person>;
  /** Deletes the user. Other processes, and what was known already, take half a second to notice: `noticed`. */
  remove(person: Person): Promise<void>;
}

export const noticed = () => new Promise((resolve) => setTimeout(resolve, 550));

export const allow = (actions: string | string[], resource: string | string[] = "*", condition?: object) => ({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: actions, Resource: resource, ...(condition && { Condition: condition }) },
});

/** Writes people where Berth reads them, with no API in between. */
export function createCrowd(metadata: IdentityMetadata, sealingKey: Uint8Array): Crowd {
  const sealer = createSealer(sealingKey);
  let count = 0;

  function newKey() {
    const accessKeyId = `AKIAPERSON${String(count++).padStart(10, "A")}`;
    return { accessKeyId, secretAccessKey: `the secret of ${accessKeyId}` };
  }
  const seal = (purpose: string, { accessKeyId, secretAccessKey: secret }: ReturnType<typeof newKey>) =>
    sealer.seal(purpose, { accessKeyId, secret });

  const ensureAccount = (id: AccountId) =>
    metadata.transact(({ accounts }) =>
      accounts.create({ id, name: id, email: `${id}@example.com`, status: "ACTIVE", createdAt: new Date() }),
    );

  return {
    async user(accountText, name, ...policies) {
      const account = accountText as AccountId;
      await ensureAccount(account);
      const key = newKey();
      const createdAt = new Date();
      const user = await metadata.transact(async ({ identities, accessKeys }) => {
        const uniqueId = `AIDA${crypto.randomUUID().replaceAll("-", "").slice(0, 17).toUpperCase()}`;
        const made = await identities.create({
          account,
          kind: "user",
          path: "/",
          name,
          uniqueId,
          createdAt,
          tags: new Map(),
        });
        if (!made) throw new Error(`there is a user ${name} already`);
        for (const [index, policy] of policies.entries()) {
          await identities.putInlinePolicy(made.id, `policy-${index}`, JSON.stringify(policy));
        }
        await accessKeys.create({
          accessKeyId: key.accessKeyId,
          account,
          identityId: made.id,
          sealedSecret: seal("access-key", key),
          status: "Active",
          createdAt,
        });
        return made;
      });
      return { ...key, principal: userPrincipal(user) };
    },
    async root(accountText) {
      const account = accountText as AccountId;
      await ensureAccount(account);
      const key = newKey();
      const rootSealedSecret = seal("root-key", key);
      await metadata.transact(({ accounts }) =>
        accounts.update(account, { rootKeyId: key.accessKeyId, rootSealedSecret }),
      );
      return { ...key, principal: rootPrincipal(account) };
    },
    async remove({ accessKeyId, principal }) {
      await metadata.transact(async ({ identities, accessKeys }) => {
        const user = await identities.ofUniqueId(principal.identityId ?? "");
        await accessKeys.delete(accessKeyId);
        if (user) await identities.delete(user.id);
      });
    },
  };
}
