import { randomUUID, timingSafeEqual } from "node:crypto";
import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Arn, Registry } from "../names.ts";
import type { Secret, SecretMetadata, SecretNouns, SecretSealer, SecretVersion } from "./ports.ts";
import { isSecretName, newSuffix, parseReference, readings, secretArn } from "./secret-names.ts";
import { current, maxStages, maxVersions, moveStages, surplus } from "./stages.ts";

export interface SecretValue {
  readonly kind: "string" | "binary";
  readonly bytes: Uint8Array;
}

export interface NewSecret {
  readonly description?: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly value?: SecretValue;
  /** The id of its first version. */
  readonly token?: string;
}

export interface Opened {
  readonly secret: Secret;
  readonly version: SecretVersion;
  readonly value: SecretValue;
}

/** The first need of each grant is about the secret that is meant, by its ARN. */
export interface SecretService {
  /** The ARN that a reference means, of a secret that may not exist. @throws InvalidSecretParameter */
  arnOf(registry: Registry, reference: string): Promise<Arn>;
  /** The ARN of one that is to be made. @throws InvalidSecretParameter */
  newArn(registry: Registry, name: string): Arn;
  /** `undefined` for what does not exist. */
  find(arn: string): Promise<Secret | undefined>;
  /** @throws SecretExists, InvalidSecretRequest, LimitExceeded */
  create(granted: Granted, name: string, given: NewSecret): Promise<{ secret: Secret; version?: SecretVersion }>;
  /** @throws SecretNotFound, SecretVersionNotFound, InvalidSecretRequest, SecretUnreadable */
  read(granted: Granted, which: { readonly version?: string; readonly stage?: string }): Promise<Opened>;
  /** @throws SecretNotFound, InvalidSecretRequest, SecretExists for a token that another value came with */
  put(
    granted: Granted,
    value: SecretValue,
    options: { readonly token?: string; readonly stages?: readonly string[] },
  ): Promise<{ secret: Secret; version: SecretVersion }>;
  /** Description and tags. @throws SecretNotFound, InvalidSecretRequest, LimitExceeded */
  change(granted: Granted, changed: (secret: Secret) => Secret): Promise<Secret>;
  /** @throws SecretNotFound, SecretVersionNotFound, InvalidSecretRequest, InvalidSecretParameter */
  moveStage(granted: Granted, stage: string, from: string | undefined, to: string | undefined): Promise<Secret>;
  /** In so many days, or at once. @throws SecretNotFound, InvalidSecretRequest */
  delete(granted: Granted, days: number | "at once"): Promise<{ name: string; arn: Arn; deletionAt: Date }>;
  restore(granted: Granted): Promise<Secret>;
  describe(granted: Granted): Promise<{ secret: Secret; versions: readonly SecretVersion[] }>;
  list(granted: Granted): Promise<Secret[]>;
  versions(secrets: readonly Secret[]): Promise<ReadonlyMap<number, readonly SecretVersion[]>>;
  /** For Berth itself: what a secret says today. @throws as `read` */
  readOwn(arn: string): Promise<Opened>;
}

export interface SecretServiceParts {
  readonly metadata: SecretMetadata;
  readonly sealer: SecretSealer;
  readonly clock: () => Date;
}

/** Of an account in a region: all are looked through for a list. */
const maxSecrets = 5_000;
const maxTags = 50;
const dayMs = 86_400_000;

export function createSecrets({ metadata, sealer, clock }: SecretServiceParts): SecretService {
  const isGone = ({ deletionAt }: Secret) => deletionAt !== undefined && deletionAt <= clock();

  /** Whose ARN it is; another of the same name is another secret. */
  async function find(arn: string, { secrets }: SecretNouns = metadata.read): Promise<Secret | undefined> {
    return await among(arn, (registry, name) => secrets.find(registry, name));
  }

  async function among(
    arn: string,
    look: (registry: Registry, name: string) => Promise<Secret | undefined>,
  ): Promise<Secret | undefined> {
    const reference = parseReference(arn, none);
    if (!reference) return undefined;
    const [reading] = readings(reference.named);
    if (reading?.suffix === undefined) return undefined;
    const secret = await look(reference.registry, reading.name);
    return secret && secret.suffix === reading.suffix && !isGone(secret) ? secret : undefined;
  }

  async function mustFind(arn: string): Promise<Secret> {
    const secret = await find(arn);
    if (!secret) throw refuse("SecretNotFound");
    return secret;
  }

  function mustBeInUse(secret: Secret): void {
    if (secret.deletionAt) throw refuse("InvalidSecretRequest", { reason: markedForDeletion });
  }

  async function change(
    granted: Granted,
    work: (secret: Secret, nouns: SecretNouns) => Promise<Secret> | Secret,
  ): Promise<Secret> {
    return await metadata.transact(async (nouns) => {
      const secret = await among(decided(granted), (registry, name) => nouns.secrets.lock(registry, name));
      if (!secret) throw refuse("SecretNotFound");
      const changed = await work(secret, nouns);
      await nouns.secrets.update(changed);
      return changed;
    });
  }

  async function seal(arn: string, version: string, { kind, bytes }: SecretValue) {
    return { kind, sealed: await sealer.seal(bytes, { arn, version, kind }) };
  }

  async function open(secret: Secret, version: string): Promise<SecretValue | undefined> {
    const sealed = await metadata.read.secrets.version(secret.id, version);
    if (!sealed) return undefined;
    const { kind } = sealed;
    return { kind, bytes: await sealer.open(sealed.sealed, { arn: arnOfSecret(secret), version, kind }) };
  }

  /** The version that a token made before, if it is of the same value. @throws SecretExists for another */
  async function madeBefore(secret: Secret, token: string, value: SecretValue): Promise<SecretVersion | undefined> {
    const before = await open(secret, token);
    if (!before) return undefined;
    if (before.kind !== value.kind || !equal(before.bytes, value.bytes)) {
      throw refuse("SecretExists", {
        reason: "You can't use ClientRequestToken because that value is already in use for a version of this secret.",
      });
    }
    const versions = await versionsOf(secret);
    return versions.find(({ id }) => id === token);
  }

  async function versionsOf(secret: Secret, { secrets }: SecretNouns = metadata.read) {
    return (await secrets.versions([secret.id])).get(secret.id) ?? [];
  }

  async function add(
    { secrets }: SecretNouns,
    secret: Secret,
    added: { id: string; kind: SecretValue["kind"]; sealed: Uint8Array; stages: readonly string[] },
    at: Date,
  ): Promise<SecretVersion> {
    const versions = await versionsOf(secret, { secrets });
    for (const { id } of surplus(versions)) await secrets.removeVersion(secret.id, id);
    if (versions.length - surplus(versions).length >= maxVersions) {
      throw refuse("LimitExceeded", { reason: `A secret can have ${maxVersions} versions with staging labels` });
    }
    const isFirst = versions.length === 0;
    const stages = isFirst && !added.stages.includes(current) ? [...added.stages, current] : added.stages;
    const moved = moveStages(versions, added.id, stages);
    await setStages(secrets, secret, versions, moved);
    const version = { id: added.id, createdAt: at, stages: moved.get(added.id) ?? [] };
    await secrets.addVersion(secret.id, { ...version, kind: added.kind, sealed: added.sealed });
    return version;
  }

  async function setStages(
    secrets: SecretNouns["secrets"],
    secret: Secret,
    versions: readonly SecretVersion[],
    moved: ReadonlyMap<string, readonly string[]>,
  ): Promise<void> {
    for (const { id, stages } of versions) {
      const now = moved.get(id) ?? [];
      if (now.length > maxStages) {
        throw refuse("LimitExceeded", { reason: `A version can have ${maxStages} staging labels` });
      }
      if (now.join() !== stages.join()) await secrets.setStages(secret.id, id, now);
    }
  }

  async function openVersion(secret: Secret, which: { version?: string; stage?: string }): Promise<Opened> {
    mustBeInUse(secret);
    const stage = which.stage ?? (which.version === undefined ? current : undefined);
    const version = (await versionsOf(secret)).find(
      ({ id, stages }) =>
        (which.version === undefined || id === which.version) && (stage === undefined || stages.includes(stage)),
    );
    const value = version && (await open(secret, version.id));
    if (!value)
      throw refuse("SecretVersionNotFound", which.version === undefined ? { stage } : { version: which.version });
    return { secret, version, value };
  }

  return {
    async arnOf(registry, reference) {
      const parsed = parseReference(reference, registry);
      if (!parsed) throw refuse("InvalidSecretParameter", { reason: invalidName });
      // Else a policy that asks for the region of a request would be asked about another one.
      if (parsed.registry.region !== registry.region) {
        throw refuse("InvalidSecretParameter", { reason: `Invalid arn ${parsed.registry.region}` });
      }
      const { named } = parsed;
      for (const { name, suffix } of readings(named)) {
        const secret = await metadata.read.secrets.find(parsed.registry, name);
        // A name alone means the secret of that name; six characters behind it are the end of an ARN.
        const isMeant = secret && (suffix === undefined || (secret.suffix === suffix && reference.startsWith("arn:")));
        if (isMeant && !isGone(secret)) return arnOfSecret(secret);
      }
      return secretArn(parsed.registry, named);
    },

    newArn(registry, name) {
      if (!isSecretName(name)) throw refuse("InvalidSecretParameter", { reason: invalidName });
      return secretArn(registry, name, newSuffix());
    },

    find,

    async create(granted, name, { description, tags, value, token = randomUUID() }) {
      checkTags(tags);
      const { registry } = granted;
      const arn = decided(granted);
      const before = await metadata.read.secrets.find(registry, name);
      if (before && !isGone(before)) {
        if (before.deletionAt) throw refuse("InvalidSecretRequest", { reason: nameIsScheduled });
        const isSame = value !== undefined && (await versionsOf(before)).some(({ id }) => id === token);
        const version = isSame ? await madeBefore(before, token, value) : undefined;
        if (!version) throw refuse("SecretExists", { reason: alreadyExists(name) });
        return { secret: before, version };
      }
      const sealed = value && (await seal(arn, token, value));
      const at = clock();
      const [reading] = readings(parseReference(arn, registry)?.named ?? "");
      const settings = {
        registry,
        name,
        suffix: reading?.suffix ?? "",
        description,
        tags,
        createdAt: at,
        changedAt: at,
      };
      return await metadata.transact(async (nouns) => {
        const { secrets } = nouns;
        const over = await secrets.lock(registry, name);
        if (over && isGone(over)) await secrets.delete(over.id);
        const secret = await secrets.create(settings);
        if (!secret) throw refuse("SecretExists", { reason: alreadyExists(name) });
        if ((await secrets.count(registry)) > maxSecrets) {
          throw refuse("LimitExceeded", { reason: `An account can have ${maxSecrets} secrets in a region` });
        }
        const version = sealed && (await add(nouns, secret, { id: token, ...sealed, stages: [current] }, at));
        return { secret, version };
      });
    },

    read: async (granted, which) => openVersion(await mustFind(decided(granted)), which),
    readOwn: async (arn) => openVersion(await mustFind(arn), {}),

    async put(granted, value, { token = randomUUID(), stages = [current] }) {
      const arn = decided(granted);
      const found = await mustFind(arn);
      mustBeInUse(found);
      const before = await madeBefore(found, token, value);
      if (before) return { secret: found, version: before };
      const sealed = await seal(arn, token, value);
      const at = clock();
      let version: SecretVersion | undefined;
      const secret = await change(granted, async (locked, nouns) => {
        mustBeInUse(locked);
        // Another request with the same token was faster.
        if (await nouns.secrets.version(locked.id, token)) {
          throw refuse("SecretExists", { reason: "A version with this ClientRequestToken was made a moment ago." });
        }
        version = await add(nouns, locked, { id: token, ...sealed, stages }, at);
        return { ...locked, changedAt: at };
      });
      return { secret, version: version as unknown as SecretVersion };
    },

    change: (granted, changed) =>
      change(granted, (secret) => {
        mustBeInUse(secret);
        const after = changed(secret);
        checkTags(after.tags);
        return { ...after, changedAt: clock() };
      }),

    moveStage: (granted, stage, from, to) =>
      change(granted, async (secret, { secrets }) => {
        mustBeInUse(secret);
        const versions = await versionsOf(secret, { secrets });
        const holder = versions.find(({ stages }) => stages.includes(stage))?.id;
        for (const id of [from, to]) {
          const isThere = id === undefined || versions.some((version) => version.id === id);
          if (!isThere) throw refuse("SecretVersionNotFound", { version: id });
        }
        if (holder !== from && (from !== undefined || to === undefined || holder !== undefined)) {
          const reason = `The staging label ${stage} is currently attached to version ${holder ?? "none"}, so you must name that version in RemoveFromVersionId.`;
          throw refuse("InvalidSecretParameter", { reason });
        }
        if (to === undefined && stage === current) {
          throw refuse("InvalidSecretParameter", { reason: `You can't remove the staging label ${current}.` });
        }
        const moved =
          to === undefined
            ? new Map(versions.map(({ id, stages }) => [id, stages.filter((one) => one !== stage)]))
            : moveStages(versions, to, [stage]);
        await setStages(secrets, secret, versions, moved);
        return { ...secret, changedAt: clock() };
      }),

    async delete(granted, days) {
      const arn = decided(granted);
      const now = clock();
      const deletionAt = new Date(now.getTime() + (days === "at once" ? 0 : days * dayMs));
      const found = await find(arn);
      // To delete at once what is not there is no error (API reference, DeleteSecret).
      if (!found && days === "at once") return { name: parseReference(arn, none)?.named ?? "", arn, deletionAt };
      const secret = await change(granted, async (locked, { secrets }) => {
        if (days === "at once") await secrets.delete(locked.id);
        else mustBeInUse(locked);
        return { ...locked, deletionAt };
      });
      return { name: secret.name, arn, deletionAt };
    },

    restore: (granted) => change(granted, (secret) => ({ ...secret, deletionAt: undefined })),

    async describe(granted) {
      const secret = await mustFind(decided(granted));
      return { secret, versions: await versionsOf(secret) };
    },

    list: async ({ registry }) => (await metadata.read.secrets.list(registry)).filter((secret) => !isGone(secret)),
    versions: (secrets) => metadata.read.secrets.versions(secrets.map(({ id }) => id)),
  };
}

export function arnOfSecret({ registry, name, suffix }: Secret): Arn {
  return secretArn(registry, name, suffix);
}

/** Secrets whose time has come are gone from the moment on; this takes away what is left of them. */
export async function removeDueSecrets(metadata: SecretMetadata, now: Date, signal: AbortSignal): Promise<number> {
  let removed = 0;
  while (!signal.aborted) {
    const due = await metadata.read.secrets.due(now, 100);
    for (const { registry, name } of due) {
      await metadata.transact(async ({ secrets }) => {
        const locked = await secrets.lock(registry, name);
        if (!locked?.deletionAt || locked.deletionAt > now) return;
        await secrets.delete(locked.id);
        removed++;
      });
    }
    if (due.length < 100) break;
  }
  return removed;
}

function decided({ needs: [need] }: Granted): Arn {
  return need?.resource as Arn;
}

/** Of a text that is an ARN, and names its own. */
const none = { account: "", region: "" } as unknown as Registry;

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

function checkTags(tags: ReadonlyMap<string, string>): void {
  if (tags.size > maxTags) throw refuse("LimitExceeded", { reason: `A secret can have ${maxTags} tags` });
  for (const name of tags.keys()) {
    if (/^aws:/i.test(name)) {
      throw refuse("InvalidSecretParameter", { reason: "Tag keys that begin with aws: are reserved" });
    }
  }
}

const markedForDeletion = "You can't perform this operation on the secret because it was marked for deletion.";
const nameIsScheduled =
  "You can't create this secret because a secret with this name is already scheduled for deletion.";
const invalidName =
  "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";

function alreadyExists(name: string): string {
  return `The operation failed because the secret ${name} already exists.`;
}
