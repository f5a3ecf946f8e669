import { randomBytes, randomUUID } from "node:crypto";
import { checkPolicyDocument } from "../../policy/document.ts";
import type { Access, Granted, PrincipalDirectory, ResourcePolicies } from "../access.ts";
import { bindPrincipals, showPrincipals } from "../bindings.ts";
import { refuse } from "../errors.ts";
import { type KeyAlias, type KeyId, keyArn, parseKeyArn, type Registry } from "../names.ts";
import { defaultKeyPolicy, serviceKeyPolicy } from "./default-policies.ts";
import type { KeyResources } from "./key-resources.ts";
import type { Keyring } from "./keyring.ts";
import type { Key, KeyMetadata, KeyNouns, KeyWrapper, Paged } from "./ports.ts";
import { aliasNotFound, decidedKey, notFound } from "./references.ts";
import { mustNotBePending } from "./states.ts";

/** The life of keys. What is decided about is the first need of the grant. */
export interface KeyService {
  /** @throws MalformedPolicy, LimitExceeded, InvalidKeyTag */
  create(granted: Granted, settings: NewKey): Promise<Key>;
  /** Makes the key of a service's own alias on first use. @throws KeyNotFound */
  describe(granted: Granted): Promise<Key>;
  list(granted: Granted, page: Paged<KeyId>): Promise<Key[]>;
  /** @throws KeyNotFound, KeyInvalidState */
  setDescription(granted: Granted, description: string): Promise<void>;
  enable(granted: Granted): Promise<void>;
  disable(granted: Granted): Promise<void>;
  scheduleDeletion(granted: Granted, days: number): Promise<Key>;
  cancelDeletion(granted: Granted): Promise<Key>;
  /** As it was set, with the unique ids of whoever is gone. */
  policy(granted: Granted): Promise<string>;
  /** @throws MalformedPolicy for a text that is no policy, and, without `bypass`, for one that locks the caller out */
  setPolicy(granted: Granted, policy: string, options: { readonly bypass: boolean }): Promise<void>;
  /** @throws InvalidKeyTag, LimitExceeded */
  tag(granted: Granted, tags: ReadonlyMap<string, string>): Promise<void>;
  untag(granted: Granted, keys: readonly string[]): Promise<void>;
  /** The key that a service has of its own in a registry, made if it is not there. */
  ofService(registry: Registry, alias: KeyAlias): Promise<Key>;
}

export interface NewKey {
  readonly description: string;
  readonly tags: ReadonlyMap<string, string>;
  /** Left out: the default. */
  readonly policy?: string;
  /** Whether a policy may lock the caller out. */
  readonly bypass: boolean;
}

export interface KeyServiceParts {
  readonly metadata: KeyMetadata;
  readonly wrapper: KeyWrapper;
  readonly keyring: Keyring;
  readonly resources: KeyResources;
  readonly directory: PrincipalDirectory;
  /** The gate, if `resources` were what there is. */
  readonly accessOver: (resources: ResourcePolicies) => Access;
  readonly clock: () => Date;
}

export const materialBytes = 32;
const days = 86_400_000;
/** Of an account in a region (KMS developer guide, "Resource quotas"). */
const maxKeys = 100_000;
const maxTags = 50;

/** Services that have keys of their own. */
const serviceAlias = /^alias\/aws\/(ecr)$/;

export function createKeys(parts: KeyServiceParts): KeyService {
  const { metadata, wrapper, keyring, resources, directory, accessOver, clock } = parts;

  async function make(
    registry: Registry,
    settings: Pick<Key, "id" | "manager" | "description" | "tags" | "policy" | "policyBindings">,
    also: (nouns: KeyNouns, key: Key) => Promise<void>,
  ): Promise<Key> {
    const now = clock();
    // AWS rotates the keys of its services every year.
    const rotation =
      settings.manager === "AWS" ? { periodDays: 365, nextAt: new Date(now.getTime() + 365 * days) } : undefined;
    const key: Key = { ...settings, registry, state: "Enabled", createdAt: now, version: 1, rotation };
    const wrapped = await wrapper.wrap(randomBytes(materialBytes), keyArn(registry, key.id), key.version);
    await metadata.transact(async (nouns) => {
      await nouns.keys.create(key, { version: key.version, wrapped, createdAt: now });
      await also(nouns, key);
    });
    keyring.changed(key.id);
    return key;
  }

  async function change(granted: Granted, work: (key: Key) => Key): Promise<Key> {
    const { registry, id } = decidedKey(granted);
    const key = await metadata.transact(async ({ keys }) => {
      const found = await keys.lock(id);
      if (!found || keyArn(found.registry, id) !== keyArn(registry, id)) throw notFound(registry, id);
      const changed = work(found);
      await keys.update(changed);
      return changed;
    });
    keyring.changed(id);
    return key;
  }

  async function checkedPolicy(granted: Granted, registry: Registry, id: KeyId, policy: string, bypass: boolean) {
    const { problem, message } = checkPolicyDocument(policy, "key");
    if (problem !== undefined) throw refuse("MalformedPolicy", { reason: message ?? problem });
    const { bindings, unknown } = await bindPrincipals(policy, directory);
    if (unknown.length > 0) {
      const reason = "Policy contains a statement with one or more invalid principals.";
      throw refuse("MalformedPolicy", { reason });
    }
    const arn = keyArn(registry, id);
    const gate = accessOver(resources.supposing({ arn, policy, bindings }));
    const need = { action: "kms:PutKeyPolicy", resource: arn, facts: callerFacts(granted) } as const;
    if (!bypass && !(await gate.allows(granted.caller, registry, need))) {
      const reason = "The new key policy will not allow you to update the key policy in the future.";
      throw refuse("MalformedPolicy", { reason });
    }
    return { policy, policyBindings: bindings };
  }

  async function ofService(registry: Registry, alias: KeyAlias): Promise<Key> {
    const [, service] = serviceAlias.exec(alias) ?? [];
    if (service === undefined) throw aliasNotFound(registry, alias);
    const before = await metadata.read.keyAliases.find(registry, alias);
    if (before) return await keyring.get(registry, before.keyId);
    const description = `Default key that protects my ${service.toUpperCase()} data when no other key is defined`;
    const policy = serviceKeyPolicy(registry, service);
    const settings = { id: newId(), description, policy, policyBindings: new Map(), tags: new Map() };
    try {
      return await make(registry, { ...settings, manager: "AWS" }, async ({ keyAliases }, { id: keyId, createdAt }) => {
        const stored = { registry, name: alias, keyId, createdAt, updatedAt: createdAt };
        if (!(await keyAliases.create(stored))) throw new MadeMeanwhile();
      });
    } catch (error) {
      if (!(error instanceof MadeMeanwhile)) throw error;
      return await ofService(registry, alias);
    }
  }

  return {
    async create(granted, { description, tags, policy, bypass }) {
      const { registry } = granted;
      checkTags(tags);
      const id = newId();
      const stored =
        policy === undefined
          ? { policy: defaultKeyPolicy(registry.account), policyBindings: new Map<string, string>() }
          : await checkedPolicy(granted, registry, id, policy, bypass);
      return await make(registry, { id, manager: "CUSTOMER", description, tags, ...stored }, async ({ keys }) => {
        if ((await keys.count(registry)) > maxKeys) {
          throw refuse("LimitExceeded", { reason: `The account has ${maxKeys} keys in this region` });
        }
      });
    },

    async describe(granted) {
      const { alias, registry } = parseKeyArn(granted.needs[0]?.resource ?? "") ?? {};
      if (alias && registry && serviceAlias.test(alias) && registry.account === granted.caller.principal.account) {
        return await ofService(registry, alias);
      }
      const decided = decidedKey(granted);
      return await keyring.get(decided.registry, decided.id);
    },

    list: ({ registry }, page) => metadata.read.keys.list(registry, page),

    async setDescription(granted, description) {
      await change(granted, (key) => {
        mustNotBePending(key);
        return { ...key, description };
      });
    },
    async enable(granted) {
      await change(granted, (key) => {
        mustNotBePending(key);
        return { ...key, state: "Enabled" };
      });
    },
    async disable(granted) {
      await change(granted, (key) => {
        mustNotBePending(key);
        return { ...key, state: "Disabled" };
      });
    },
    scheduleDeletion: (granted, windowDays) =>
      change(granted, (key) => {
        mustNotBePending(key);
        const deletionAt = new Date(clock().getTime() + windowDays * days);
        return { ...key, state: "PendingDeletion", deletionAt, deletionWindowDays: windowDays };
      }),
    cancelDeletion: (granted) =>
      change(granted, (key) => {
        if (key.state !== "PendingDeletion") {
          throw refuse("KeyInvalidState", { arn: keyArn(key.registry, key.id), state: "not pending deletion" });
        }
        return { ...key, state: "Disabled", deletionAt: undefined, deletionWindowDays: undefined };
      }),

    async policy(granted) {
      const { registry, id } = decidedKey(granted);
      const { policy, policyBindings } = await keyring.get(registry, id);
      return await showPrincipals(policy, policyBindings, directory);
    },
    async setPolicy(granted, text, { bypass }) {
      const { registry, id } = decidedKey(granted);
      await keyring.get(registry, id);
      const stored = await checkedPolicy(granted, registry, id, text, bypass);
      await change(granted, (key) => ({ ...key, ...stored }));
    },

    async tag(granted, tags) {
      await change(granted, (key) => {
        mustNotBePending(key);
        const together = new Map([...key.tags, ...tags]);
        checkTags(together);
        return { ...key, tags: together };
      });
    },
    async untag(granted, names) {
      await change(granted, (key) => {
        mustNotBePending(key);
        return { ...key, tags: new Map([...key.tags].filter(([name]) => !names.includes(name))) };
      });
    },

    ofService,
  };
}

/** Somebody else made the key of a service a moment ago. */
class MadeMeanwhile extends Error {
  override readonly name = "MadeMeanwhile";
}

export function callerFacts({ caller }: Granted) {
  return { "kms:calleraccount": caller.principal.account || undefined };
}

function newId(): KeyId {
  return randomUUID() as KeyId;
}

function checkTags(tags: ReadonlyMap<string, string>): void {
  if (tags.size > maxTags) throw refuse("LimitExceeded", { reason: `A key can have ${maxTags} tags` });
  for (const name of tags.keys()) {
    if (/^aws:/i.test(name)) {
      throw refuse("InvalidKeyTag", { reason: "Tag keys that begin with aws: are reserved" });
    }
  }
}
