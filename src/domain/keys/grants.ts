import { randomBytes } from "node:crypto";
import type { Granted, PrincipalDirectory } from "../access.ts";
import { refuse } from "../errors.ts";
import { type KeyId, parseAccountId, rootArn } from "../names.ts";
import { accountPrincipal, grantOfSource, isService, isWithinGrant } from "./grant-policies.ts";
import type { Keyring } from "./keyring.ts";
import type { Grant, GrantConstraint, GrantOperation, GrantPrincipal, KeyMetadata, Paged } from "./ports.ts";
import { decidedKey } from "./references.ts";
import { mustBeEnabled } from "./states.ts";

/** What single principals may do with single keys, beside what policies say. */
export interface GrantService {
  /** @throws KeyNotFound, KeyDisabled, KeyInvalidState, InvalidKeyArn, LimitExceeded; AccessDenied beyond the caller's own grant */
  create(granted: Granted, wanted: NewGrant): Promise<Grant>;
  list(
    granted: Granted,
    page: Paged<string>,
    filter: { readonly id?: string; readonly grantee?: string },
  ): Promise<Grant[]>;
  /** @throws InvalidGrant */
  remove(granted: Granted, id: string): Promise<void>;
  /** Those that `principal`, somebody of the grant's account, may retire. */
  retirable(granted: Granted, principal: string, page: Paged<string>): Promise<Grant[]>;
}

export interface NewGrant {
  readonly grantee: string;
  readonly retiring?: string;
  readonly operations: readonly GrantOperation[];
  readonly constraint?: GrantConstraint;
  readonly name?: string;
}

export interface GrantParts {
  readonly metadata: KeyMetadata;
  readonly keyring: Keyring;
  readonly directory: PrincipalDirectory;
  readonly clock: () => Date;
}

/** Of one key (KMS developer guide, "Resource quotas"). */
const maxGrants = 50_000;

export function createGrants({ metadata, keyring, directory, clock }: GrantParts): GrantService {
  /** @throws InvalidKeyArn for who is not there */
  async function principal(text: string): Promise<GrantPrincipal> {
    const account = parseAccountId(text) ?? /^arn:aws:iam::(\d{12}):root$/.exec(text)?.[1];
    if (account !== undefined) return accountPrincipal(account);
    if (isService(text)) return { name: text, id: text };
    const isNamed = /^arn:aws:(?:iam::\d{12}:(?:user|role)|sts::\d{12}:(?:assumed-role|federated-user))\/[^*?]+$/;
    const id = isNamed.test(text) ? (await directory.resolve([text])).get(text) : undefined;
    if (id === undefined) {
      throw refuse("InvalidKeyArn", { reason: `ARN does not refer to a valid principal: ${text}` });
    }
    return { name: text, id };
  }

  return {
    async create(granted, wanted) {
      const { registry, id: keyId } = decidedKey(granted);
      mustBeEnabled(await keyring.get(registry, keyId));
      await checkWithin(metadata, granted, keyId, wanted);
      const grant: Grant = {
        ...wanted,
        id: randomBytes(32).toString("hex"),
        keyId,
        grantee: await principal(wanted.grantee),
        retiring: wanted.retiring === undefined ? undefined : await principal(wanted.retiring),
        issuer: granted.caller.principal.account,
        createdAt: clock(),
      };
      const stored = await metadata.transact(async ({ keyGrants, keys }) => {
        const key = await keys.lock(keyId);
        if (key) mustBeEnabled(key);
        const same = wanted.name === undefined ? undefined : await sameGrant(keyGrants, grant);
        if (same) return same;
        if ((await keyGrants.count(keyId)) >= maxGrants) {
          throw refuse("LimitExceeded", { reason: `A key can have ${maxGrants} grants` });
        }
        await keyGrants.create(grant);
        return grant;
      });
      keyring.changed(keyId);
      return stored;
    },
    async list(granted, page, filter) {
      const { registry, id } = decidedKey(granted);
      await keyring.get(registry, id);
      return await metadata.read.keyGrants.list(id, page, {
        ...filter,
        grantee: filter.grantee && spelled(filter.grantee),
      });
    },
    async remove(granted, grantId) {
      const { registry, id } = decidedKey(granted);
      await keyring.get(registry, id);
      const wasThere = await metadata.transact(({ keyGrants }) => keyGrants.delete(id, grantId));
      if (!wasThere) throw refuse("InvalidGrant", { id: grantId });
      keyring.changed(id);
    },
    async retirable({ registry }, text, page) {
      const who = await principal(text);
      const [, account] = /^arn:aws:(?:iam|sts)::(\d{12}):/.exec(who.name) ?? [];
      if (account !== registry.account) return [];
      return await metadata.read.keyGrants.retirableBy([who.id], page);
    },
  };
}

/**
 * Whoever makes a grant by right of another one cannot give more than that allows.
 * @param index of the need to make grants
 * @throws AccessDenied
 */
export async function checkWithin(
  { read }: Pick<KeyMetadata, "read">,
  { caller, needs, decisions }: Granted,
  keyId: KeyId,
  wanted: Pick<Grant, "operations" | "constraint">,
  index = 0,
): Promise<void> {
  const parentId = grantOfSource(decisions[index]?.statement?.policy.name);
  if (parentId === undefined) return;
  const parent = await read.keyGrants.find(keyId, parentId);
  if (parent && isWithinGrant(wanted, parent)) return;
  const { action, resource } = needs[index] ?? { action: "kms:CreateGrant", resource: "*" };
  throw refuse("AccessDenied", {
    principal: caller.principal.arn,
    action,
    resource,
    because: "because the grant that allows it does not allow all that the new grant would",
  });
}

/** Asking twice for a grant with a name gives it once (KMS API reference, CreateGrant). */
async function sameGrant(
  keyGrants: { of(keyId: KeyId, principals: readonly string[]): Promise<Grant[]> },
  wanted: Grant,
): Promise<Grant | undefined> {
  const facts = ({ grantee, retiring, operations, constraint, name }: Grant) =>
    JSON.stringify([
      grantee.name,
      grantee.id,
      retiring?.name,
      [...operations].sort(),
      constraint?.kind,
      constraint && [...constraint.context].sort(([one], [other]) => (one < other ? -1 : 1)),
      name,
    ]);
  const found = await keyGrants.of(wanted.keyId, [wanted.grantee.id]);
  return found.find((grant) => facts(grant) === facts(wanted));
}

function spelled(principal: string): string {
  const account = parseAccountId(principal);
  return account ? rootArn(account) : principal;
}
