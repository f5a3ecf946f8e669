import { randomBytes } from "node:crypto";
import type { Access, Caller, Facts, Granted, Need, Principal } from "./access.ts";
import { Refusal, refuse } from "./errors.ts";
import { checkWithin } from "./keys/grants.ts";
import type { Keyring } from "./keys/keyring.ts";
import type { KeyService } from "./keys/keys.ts";
import type { Grant, GrantOperation, KeyMetadata, KeyNouns } from "./keys/ports.ts";
import { accountOfReference, aliasNotFound, keyNotFound, notFound } from "./keys/references.ts";
import { mustBeEnabled } from "./keys/states.ts";
import { keyUnusable } from "./keys/unusable.ts";
import {
  type AccountId,
  type Arn,
  type KeyAlias,
  type KeyId,
  keyAliasArn,
  keyArn,
  parseKeyArn,
  type Registry,
  type RepositoryName,
  repositoryArn,
} from "./names.ts";
import type { Encryption, Nouns } from "./registry/ports.ts";
import type { RepositoryKeys, SealedRepository } from "./registry/repository-keys.ts";

export interface RepositoryKeysParts {
  readonly metadata: KeyMetadata;
  readonly keyring: Keyring;
  readonly keys: Pick<KeyService, "ofService">;
  readonly access: Access;
  readonly clock: () => Date;
}

/** The registry's own key, which is made when it is first needed. */
const ownAlias = "alias/aws/ecr" as KeyAlias;
/** ECR asks for as many grants, all alike (ECR user guide, "Encryption at rest"). */
const grantsOfRepository = 2;
const grantOperations: readonly GrantOperation[] = ["GenerateDataKey", "Decrypt"];
/** Of one key (KMS developer guide, "Resource quotas"). */
const maxGrants = 50_000;

/**
 * The registry as a user of keys, as ECR is one of KMS: whoever makes a repository lets the registry's service principal use
 * the key by grants, which hold for this repository; and for each push and pull the gate is asked whether that still is so.
 */
export function createRepositoryKeys(parts: RepositoryKeysParts): RepositoryKeys<Nouns & KeyNouns> {
  const { metadata, keyring, keys, access, clock } = parts;

  async function check(repository: SealedRepository, operation: "GenerateDataKey" | "Decrypt"): Promise<void> {
    const { encryption, registry } = repository;
    if (encryption.type === "AES256") return;
    const { key } = encryption;
    try {
      const { registry: owner, id } = parseKey(key);
      mustBeEnabled(await keyring.get(owner, id));
      await access.grant(serviceCaller(registry), owner, [useNeed(repository, encryption, operation)]);
    } catch (error) {
      throw keyUnusable(error);
    }
  }

  /** The key that the caller means, of another account where its ARN says so; its alias's ARN where that means none. */
  async function resolve(registry: Registry, reference: string = ownAlias): Promise<Arn> {
    const own = keyAliasArn(registry, ownAlias);
    if (reference === ownAlias || reference === own) {
      return keyArn(registry, (await keys.ofService(registry, ownAlias)).id);
    }
    const account = accountOfReference(reference) ?? registry.account;
    return await keyring.resolve({ ...registry, account }, reference);
  }

  return {
    mayPush: (repository) => check(repository, "GenerateDataKey"),
    mayPull: (repository) => check(repository, "Decrypt"),

    async choose(granted, name, { type, key: reference }) {
      const { caller, registry } = granted;
      try {
        const key = await resolve(registry, reference);
        const { registry: owner, id, alias } = parseKeyArn(key) ?? {};
        if (!owner) throw refuse("InvalidKeyArn", { reason: `Invalid arn ${key}` });
        const toGrant = viaService("kms:CreateGrant", key, granted, grantFacts(registry));
        const needs = [viaService("kms:DescribeKey", key, granted, {}), toGrant];
        const allowed = await access.grant(caller, owner, needs);
        if (!id) throw alias ? aliasNotFound(owner, alias) : keyNotFound(key);
        mustBeEnabled(await keyring.get(owner, id));
        const grants = newGrants(id, registry, name, caller.principal.account);
        for (const grant of grants) await checkWithin(metadata, allowed, id, grant, needs.indexOf(toGrant));
        return {
          encryption: { type, key, grants: grants.map((grant) => grant.id) },
          async keep(nouns) {
            try {
              await store(nouns, owner, id, grants);
            } catch (error) {
              throw keyUnusable(error);
            }
          },
          kept: () => keyring.changed(id),
        };
      } catch (error) {
        throw keyUnusable(error);
      }
    },

    async release(granted, { encryption }) {
      if (encryption.type === "AES256") return;
      const { key, grants } = encryption;
      const { registry: owner, id } = parseKey(key);
      if (!(await mayRetire(granted, owner, key))) return;
      await metadata.transact(async ({ keyGrants }) => {
        for (const grant of grants) await keyGrants.delete(id, grant);
      });
      keyring.changed(id);
    },
  };

  function newGrants(keyId: KeyId, registry: Registry, name: RepositoryName, issuer: AccountId): Grant[] {
    const service = { name: serviceOf(registry), id: serviceOf(registry) };
    return Array.from({ length: grantsOfRepository }, () => ({
      id: randomBytes(32).toString("hex"),
      keyId,
      grantee: service,
      retiring: service,
      operations: grantOperations,
      constraint: { kind: "subset", context: contextOf(registry, name) },
      issuer,
      createdAt: clock(),
    }));
  }

  /** The key may be another's by now, or none: a missing one keeps nobody from deleting a repository. */
  async function mayRetire(granted: Granted, owner: Registry, key: Arn): Promise<boolean> {
    try {
      await access.grant(granted.caller, owner, [viaService("kms:RetireGrant", key, granted, {})]);
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.is("AccessDenied")) return false;
      throw error;
    }
  }
}

async function store({ keys, keyGrants }: KeyNouns, owner: Registry, id: KeyId, grants: readonly Grant[]) {
  const key = await keys.lock(id);
  if (!key) throw notFound(owner, id);
  mustBeEnabled(key);
  if ((await keyGrants.count(id)) + grants.length > maxGrants) {
    throw refuse("LimitExceeded", { reason: `A key can have ${maxGrants} grants` });
  }
  for (const grant of grants) await keyGrants.create(grant);
}

function parseKey(arn: Arn): { readonly registry: Registry; readonly id: KeyId } {
  const { registry, id } = parseKeyArn(arn) ?? {};
  if (!registry || !id) throw new Error(`${arn} is not the ARN of a key`);
  return { registry, id };
}

function serviceOf({ region }: Registry): string {
  return `ecr.${region}.amazonaws.com`;
}

/** What the registry is to keys: nobody's user, and known by its host name. */
function serviceCaller(registry: Registry): Caller {
  const arn = serviceOf(registry);
  const principal: Principal = { kind: "service", account: "" as AccountId, arn, userId: arn };
  return { principal, requestId: "", sourceIp: "", secureTransport: true, note: () => {} };
}

/** What grants for the repository are for. */
function contextOf(registry: Registry, name: RepositoryName): ReadonlyMap<string, string> {
  return new Map([["aws:ecr:arn", repositoryArn(registry, name)]]);
}

function useNeed(
  { registry, name }: SealedRepository,
  { key, grants }: Exclude<Encryption, { type: "AES256" }>,
  operation: "GenerateDataKey" | "Decrypt",
): Need {
  const context = contextOf(registry, name);
  // ECR's content lies in a bucket of ECR's.
  const bucket = `arn:aws:s3:::prod-${registry.region}-starport-layer-bucket`;
  const encryptionContext = new Map([...context, ["aws:s3:arn", bucket] as const]);
  const { principal } = serviceCaller(registry);
  return {
    action: `kms:${operation}`,
    resource: key,
    keyUse: { principal, encryptionContext, madeFor: { grants, context } },
    facts: {
      ...serviceFacts(registry, registry.account),
      // The registry's machine is no place that policies know.
      "aws:sourceip": undefined,
      "kms:encryptionalgorithm": "SYMMETRIC_DEFAULT",
      "kms:encryptioncontextkeys": [...encryptionContext.keys()],
      ...Object.fromEntries([...encryptionContext].map(([name, value]) => [`kms:encryptioncontext:${name}`, value])),
    },
  };
}

/** What the caller needs for what the registry does with the key in the caller's name. */
function viaService(action: `kms:${string}`, resource: Arn, { caller, registry }: Granted, facts: Facts): Need {
  const { principal } = caller;
  return {
    action,
    resource,
    keyUse: { principal },
    facts: { ...serviceFacts(registry, principal.account), "aws:viaawsservice": "true", ...facts },
  };
}

function serviceFacts(registry: Registry, account: AccountId): Facts {
  return { "kms:calleraccount": account || undefined, "kms:viaservice": serviceOf(registry) };
}

function grantFacts(registry: Registry): Facts {
  return {
    "kms:granteeprincipal": serviceOf(registry),
    "kms:retiringprincipal": serviceOf(registry),
    "kms:grantoperations": grantOperations,
    "kms:grantconstrainttype": "EncryptionContextSubset",
    "kms:grantisforawsresource": "true",
  };
}
