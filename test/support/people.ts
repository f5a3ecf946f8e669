import type { People } from "../../src/compose.ts";
import type { PoliciesOfPrincipal, Principal } from "../../src/domain/access.ts";
import { createCredentials, type RootKey, rootPrincipal } from "../../src/domain/identity/credentials.ts";
import { createSealer } from "../../src/domain/identity/sealer.ts";
import type { AccountId } from "../../src/domain/names.ts";
import { compilePolicy } from "../../src/policy/compile.ts";

/** Somebody who can sign in. */
export interface Person {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly principal: Principal;
  /** Its identity policies. */
  readonly policies: readonly object[];
}

export interface Crowd extends People {
  /** A user, made at this moment. */
  user(account: string, name: string, ...policies: object[]): Person;
  root(account: string): Person;
  /** From now on nobody knows the person. */
  remove(person: Person): void;
}

export const allow = (actions: string | string[], resource: string | string[] = "*", condition?: object) => ({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: actions, Resource: resource, ...(condition && { Condition: condition }) },
});

/** Users and root users of any accounts, without anything that keeps them. */
export function createCrowd(root: RootKey, sealingKey: Uint8Array, clock: () => Date): Crowd {
  const people = new Map<string, Person>();
  const ofRoot = createCredentials({ root, sealer: createSealer(sealingKey), clock });
  const add = (principal: Principal, policies: object[]): Person => {
    const accessKeyId = `AKIA${String(people.size).padStart(16, "A")}`;
    const person = { accessKeyId, secretAccessKey: `secret of ${principal.arn}`, principal, policies };
    people.set(accessKeyId, person);
    return person;
  };
  const byId = (uniqueId: string | undefined) =>
    [...people.values()].find(({ principal: { identityId } }) => identityId === uniqueId && uniqueId !== undefined);

  return {
    user(account, name, ...policies) {
      const arn = `arn:aws:iam::${account}:user/${name}`;
      const id = `AIDA${crypto.randomUUID().replaceAll("-", "").slice(0, 16).toUpperCase()}`;
      return add({ kind: "user", account: account as AccountId, arn, userId: id, identityId: id }, policies);
    },
    root: (account) => add(rootPrincipal(account as AccountId), []),
    remove: ({ accessKeyId }) => void people.delete(accessKeyId),
    credentials: {
      ...ofRoot,
      async find(accessKeyId, sessionToken) {
        const person = people.get(accessKeyId);
        if (!person || sessionToken !== undefined) return ofRoot.find(accessKeyId, sessionToken);
        const { secretAccessKey: secret, principal } = person;
        return { state: "active", accessKeyId, secret, principal, temporary: false, longTermKeyId: accessKeyId };
      },
      isActive: async (accessKeyId) => people.has(accessKeyId) || ofRoot.isActive(accessKeyId),
    },
    principals: {
      async of({ kind, identityId }): Promise<PoliciesOfPrincipal | undefined> {
        if (kind !== "user") return { identity: [], facts: {} };
        const person = byId(identityId);
        return (
          person && {
            identity: person.policies.map((policy) =>
              compilePolicy(JSON.stringify(policy), { kind: "identity", name: "test" }),
            ),
            facts: {},
          }
        );
      },
    },
    directory: {
      async resolve(arns) {
        const named = arns.filter((arn) => !arn.endsWith(":root"));
        const idOf = (arn: string) => [...people.values()].find(({ principal }) => principal.arn === arn);
        return new Map(named.map((arn) => [arn, idOf(arn)?.principal.identityId]));
      },
      nameOf: async (uniqueId) => byId(uniqueId)?.principal.arn as never,
    },
  };
}
