import type { Key, KeyMaterial } from "../../domain/keys/ports.ts";
import type {
  AccountId,
  Arn,
  Digest,
  KeyAlias,
  KeyId,
  Region,
  Registry,
  RepositoryName,
  Tag,
} from "../../domain/names.ts";
import type { PullThroughRule } from "../../domain/pull-through/rules.ts";
import type { Generation, NewImage, Repository } from "../../domain/registry/ports.ts";
import { noOptions, type SentBlob } from "../../domain/replication/ports.ts";
import type { Secret } from "../../domain/secrets/ports.ts";
import type { AllNouns } from "./nouns.ts";

/** Verbs by name, each with arguments that reach every statement of it; in order, in one database. */
export type Verbs = Record<string, (nouns: AllNouns) => Promise<unknown>>;

const registry: Registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
const destination: Registry = { ...registry, region: "us-east-1" as Region };
const now = new Date(0);
const digestOf = (number: number) => `sha256:${number}` as Digest;
const arn = "arn:aws:iam::000000000001:user/u" as Arn;

const keyId = "key" as KeyId;
const key: Key = {
  id: keyId,
  registry,
  manager: "CUSTOMER",
  state: "Enabled",
  description: "",
  policy: "{}",
  policyBindings: new Map(),
  tags: new Map(),
  createdAt: now,
  version: 1,
};
const material: KeyMaterial = { version: 1, wrapped: Uint8Array.of(1), createdAt: now };
const alias = "alias/a" as KeyAlias;
const principal = { name: arn, id: "AIDA" };

export const keyVerbs: Verbs = {
  "keys.create": ({ keys }) => keys.create(key, material),
  "keys.find": ({ keys }) => keys.find(keyId),
  "keys.list": ({ keys }) => keys.list(registry, { after: "a" as KeyId, limit: 9 }),
  "keys.count": ({ keys }) => keys.count(registry),
  "keys.lock": ({ keys }) => keys.lock(keyId),
  "keys.update": ({ keys }) => keys.update(key),
  "keys.addMaterial": ({ keys }) => keys.addMaterial(keyId, { ...material, version: 2 }),
  "keys.material": ({ keys }) => keys.material(keyId, 1),
  "keys.materials": ({ keys }) => keys.materials(keyId),
  "keys.allMaterials": async ({ keys }) => {
    for (const after of [undefined, { id: keyId, version: 1 }]) await keys.allMaterials({ after, limit: 9 });
  },
  "keys.rewrap": ({ keys }) => keys.rewrap({ id: keyId, version: 1 }, material.wrapped, material.wrapped),
  "keys.due": ({ keys }) => keys.due(now, 9),
  "keyAliases.create": ({ keyAliases }) =>
    keyAliases.create({ registry, name: alias, keyId, createdAt: now, updatedAt: now }),
  "keyAliases.find": ({ keyAliases }) => keyAliases.find(registry, alias),
  "keyAliases.list": async ({ keyAliases }) => {
    for (const of of [undefined, keyId]) await keyAliases.list(registry, { limit: 9 }, of);
  },
  "keyAliases.update": ({ keyAliases }) => keyAliases.update(registry, alias, keyId, now),
  "keyAliases.delete": ({ keyAliases }) => keyAliases.delete(registry, alias),
  "keyGrants.create": ({ keyGrants }) =>
    keyGrants.create({
      id: "g",
      keyId,
      grantee: principal,
      retiring: principal,
      operations: ["Decrypt"],
      issuer: registry.account,
      createdAt: now,
    }),
  "keyGrants.find": ({ keyGrants }) => keyGrants.find(keyId, "g"),
  "keyGrants.list": async ({ keyGrants }) => {
    for (const filter of [{}, { id: "g" }, { grantee: arn }]) await keyGrants.list(keyId, { limit: 9 }, filter);
  },
  "keyGrants.of": ({ keyGrants }) => keyGrants.of(keyId, ["AIDA"]),
  "keyGrants.within": ({ keyGrants }) => keyGrants.within(keyId, "AIDA", new Map(), 9),
  "keyGrants.retirableBy": ({ keyGrants }) => keyGrants.retirableBy(["AIDA"], { after: "a", limit: 9 }),
  "keyGrants.count": ({ keyGrants }) => keyGrants.count(keyId),
  "keyGrants.delete": ({ keyGrants }) => keyGrants.delete(keyId, "g"),
  "keys.destroy": ({ keys }) => keys.destroy(keyId),
};

const rule: PullThroughRule = {
  registry,
  prefix: "quay",
  upstreamUrl: "quay.io",
  upstream: "quay",
  upstreamPrefix: "ROOT",
  options: {},
  createdAt: now,
  updatedAt: now,
};
const secret: Omit<Secret, "id"> = {
  registry,
  name: "s",
  suffix: "abcdef",
  tags: new Map(),
  createdAt: now,
  changedAt: now,
  deletionAt: now,
};
const value = { id: "v", kind: "string", sealed: Uint8Array.of(1), stages: [], createdAt: now } as const;

export const ruleVerbs: Verbs = {
  "pullThroughRules.create": ({ pullThroughRules }) => pullThroughRules.create(rule),
  "pullThroughRules.list": ({ pullThroughRules }) => pullThroughRules.list(registry),
  "pullThroughRules.find": ({ pullThroughRules }) => pullThroughRules.find(registry, rule.prefix),
  "pullThroughRules.lock": ({ pullThroughRules }) => pullThroughRules.lock(registry, rule.prefix),
  "pullThroughRules.update": ({ pullThroughRules }) => pullThroughRules.update(rule),
  "pullThroughRules.delete": ({ pullThroughRules }) => pullThroughRules.delete(registry, rule.prefix),
  "secrets.create": ({ secrets }) => secrets.create(secret),
  "secrets.find": ({ secrets }) => secrets.find(registry, secret.name),
  "secrets.list": ({ secrets }) => secrets.list(registry),
  "secrets.count": ({ secrets }) => secrets.count(registry),
  "secrets.lock": ({ secrets }) => secrets.lock(registry, secret.name),
  "secrets.update": ({ secrets }) => secrets.update({ ...secret, id: 1 }),
  "secrets.addVersion": ({ secrets }) => secrets.addVersion(1, value),
  "secrets.versions": ({ secrets }) => secrets.versions([1]),
  "secrets.version": ({ secrets }) => secrets.version(1, value.id),
  "secrets.setStages": ({ secrets }) => secrets.setStages(1, value.id, ["AWSCURRENT"]),
  "secrets.removeVersion": ({ secrets }) => secrets.removeVersion(1, value.id),
  "secrets.due": ({ secrets }) => secrets.due(now, 9),
  "secrets.delete": ({ secrets }) => secrets.delete(1),
};

/** The repository that the verbs of this file have content in. */
async function repositoryOf({ repositories }: AllNouns): Promise<Repository> {
  const name = "elsewhere" as RepositoryName;
  const found = await repositories.find(registry, name);
  if (found) return found;
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  const made = await repositories.create(
    { registry, name, createdAt: now, encryption: { type: "AES256" }, ...settings },
    new Map(),
  );
  if (!made) throw new Error("the repository is not to be had");
  return made;
}

/** Its image, which awaits a layer and a manifest; or another one. */
async function imageOf(
  nouns: AllNouns,
  facts: Partial<NewImage> = {},
): Promise<{ readonly id: number; readonly repositoryId: number }> {
  const { id: repositoryId } = await repositoryOf(nouns);
  const image = await nouns.images.put({
    repositoryId,
    digest: digestOf(1),
    mediaType: "type",
    manifestBytes: 1,
    imageBytes: 1,
    manifest: Uint8Array.of(1),
    layers: [],
    children: [],
    awaited: [
      { digest: digestOf(2), mediaType: "layer", sizeBytes: 1 },
      { digest: digestOf(3), sizeBytes: 1 },
    ],
    pushedAt: now,
    ...facts,
  });
  return { id: image.id, repositoryId };
}

export const cacheVerbs: Verbs = {
  "awaited.layer": async (nouns) => nouns.awaited.layer((await imageOf(nouns)).repositoryId, digestOf(2)),
  "awaited.layers": async (nouns) => nouns.awaited.layers((await repositoryOf(nouns)).id, [digestOf(2)]),
  "awaited.isChild": async (nouns) => nouns.awaited.isChild((await repositoryOf(nouns)).id, digestOf(3)),
  "awaited.isIncomplete": async (nouns) => nouns.awaited.isIncomplete((await imageOf(nouns)).id),
  "awaited.layerCame": async (nouns) => {
    const repository = await repositoryOf(nouns);
    const blob = { digest: digestOf(2), generation: "came" as Generation, sizeBytes: 1 };
    await nouns.layers.link(repository, blob, now);
    await nouns.awaited.layerCame(repository.id, blob.digest);
  },
  "awaited.childCame": async (nouns) => {
    const { repositoryId } = await imageOf(nouns, { digest: digestOf(3), awaited: [] });
    await nouns.awaited.childCame(repositoryId, { digest: digestOf(3), imageBytes: 9 });
  },
  "upstreamChecks.put": async (nouns) => {
    const { id } = await repositoryOf(nouns);
    for (let times = 0; times < 2; times++) await nouns.upstreamChecks.put(id, "tag:v1", { upstream: "u", at: now });
  },
  "upstreamChecks.find": async (nouns) => nouns.upstreamChecks.find((await repositoryOf(nouns)).id, "tag:v1"),
};

export const scanningVerbs: Verbs = {
  "registryConfigurations.put": async ({ registryConfigurations }) => {
    const both = { scanning: { scanType: "BASIC", rules: [] }, signing: { rules: [] } } as const;
    for (let times = 0; times < 2; times++) await registryConfigurations.put(registry, both);
  },
  "registryConfigurations.find": ({ registryConfigurations }) => registryConfigurations.find(registry),
  "registryConfigurations.deleteSigning": ({ registryConfigurations }) =>
    registryConfigurations.deleteSigning(registry),
  "imageScans.put": async (nouns) =>
    nouns.imageScans.put((await imageOf(nouns)).id, { status: "FAILED", description: "d", requestedAt: now }),
  "imageScans.find": async (nouns) => nouns.imageScans.find((await imageOf(nouns)).id),
  "imageSignings.put": async (nouns) => nouns.imageSignings.put((await imageOf(nouns)).id, []),
  "imageSignings.find": async (nouns) => nouns.imageSignings.find((await imageOf(nouns)).id),
};

const tag = "v1" as Tag;
const backfill = { id: "b", registry, destination, status: "PREPARING", startedAt: now } as const;
const item = { number: 1, repository: "elsewhere" as RepositoryName, digest: digestOf(1), tag };

const sent = async (nouns: AllNouns): Promise<SentBlob> => ({
  destination,
  repositoryId: (await repositoryOf(nouns)).id,
  digest: digestOf(2),
});

export const replicationVerbs: Verbs = {
  "replication.setRules": ({ replication }) => replication.setRules(registry, []),
  "replication.setOptions": ({ replication }) => replication.setOptions(registry, noOptions),
  "replication.configuration": ({ replication }) => replication.configuration(registry),
  "replication.begin": async (nouns) => {
    const { id } = await imageOf(nouns);
    for (let times = 0; times < 2; times++) await nouns.replication.begin(id, destination, [tag], now);
  },
  "replication.ofImage": async (nouns) => nouns.replication.ofImage((await imageOf(nouns)).id),
  "replication.find": async (nouns) => nouns.replication.find((await imageOf(nouns)).id, destination),
  "replication.end": async (nouns) =>
    nouns.replication.end((await imageOf(nouns)).id, destination, 2, { status: "COMPLETE" }, now),
  "replication.keepUpload": async (nouns) => {
    for (let times = 0; times < 2; times++) await nouns.replication.keepUpload(await sent(nouns), "/", now);
  },
  "replication.upload": async (nouns) => nouns.replication.upload(await sent(nouns)),
  "replication.dropUpload": async (nouns) => nouns.replication.dropUpload(await sent(nouns)),
  "replication.pruneUploads": ({ replication }) => replication.pruneUploads(now),
  "backfills.create": ({ backfills }) => backfills.create(backfill),
  "backfills.find": ({ backfills }) => backfills.find(registry, backfill.id),
  "backfills.lock": ({ backfills }) => backfills.lock(registry, backfill.id),
  "backfills.list": async ({ backfills }) => {
    for (const after of [undefined, { startedAt: 0, id: "a" }])
      await backfills.list(registry, now, { after, limit: 9 });
  },
  "backfills.countOpen": ({ backfills }) => backfills.countOpen(registry),
  "backfills.add": ({ backfills }) => backfills.add(backfill.id, [item]),
  "backfills.open": ({ backfills }) => backfills.open(backfill.id, 9),
  "backfills.settle": ({ backfills }) => backfills.settle(backfill.id, [{ ...item, status: "COMPLETE" }]),
  "backfills.results": async ({ backfills }) => {
    for (const status of [undefined, "COMPLETE"] as const) await backfills.results(backfill.id, { limit: 9, status });
  },
  "backfills.update": ({ backfills }) => backfills.update(backfill.id, { status: "COMPLETE", endedAt: now }),
  "backfills.prune": ({ backfills }) => backfills.prune(new Date(1), 9),
};
