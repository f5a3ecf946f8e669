import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kysely } from "kysely";
import { chained, packed } from "../../domain/audit/packs.ts";
import type { JobId } from "../../domain/jobs/ports.ts";
import type {
  AccountId,
  Arn,
  Digest,
  KeyId,
  Region,
  Registry,
  RepositoryName,
  Tag,
  UploadId,
} from "../../domain/names.ts";
import type { CreationTemplate } from "../../domain/registry/creation-template-ports.ts";
import { serverScope } from "../../domain/registry/encryption.ts";
import type { Generation, RepositorySettings, StagingId } from "../../domain/registry/ports.ts";
import { noFigures } from "../../domain/registry/usage-count.ts";
import { nouns } from "./nouns.ts";
import type { Schema } from "./schema.ts";
import { openSqlite, sqliteFlavour } from "./sqlite.ts";
import { SqliteConnection, sqliteDialect } from "./sqlite-driver.ts";
import { cacheVerbs, keyVerbs, replicationVerbs, ruleVerbs, scanningVerbs, type Verbs } from "./test-verbs.ts";

/** Runs `work` with the path of a database that does not exist yet. */
async function withPath(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "berth-plans-"));
  try {
    await work(join(folder, "berth.sqlite"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const registry: Registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
const settings: RepositorySettings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false };
const template: CreationTemplate = {
  prefix: "app",
  encryption: { type: "AES256" },
  tags: new Map(),
  tagMutability: "MUTABLE",
  exclusionFilters: [],
  appliedFor: ["REPLICATION"],
  createdAt: new Date(0),
  updatedAt: new Date(0),
};
const digest = "sha256:00" as Digest;
const kept = "sha256:01" as Digest;
const name = "app" as RepositoryName;
const tag = "v1" as Tag;
const uploadId = "upload" as UploadId;
const staging = "staging" as StagingId;
const now = new Date(0);
const blob = { digest, generation: "g" as Generation, sizeBytes: 1, since: now };
const placed = { ...blob, scope: serverScope, isInArchive: false };

const { account } = registry;
const hash = new Uint8Array(32);
const arn = "arn:aws:iam::000000000001:policy/p" as Arn;
const claim = { id: 1 as JobId, number: 1 };
const path = "/";
const tags: ReadonlyMap<string, string> = new Map();
const version = { version: "v1", document: "{}", createdAt: now };

const verbs: Verbs = {
  "repositories.create": ({ repositories }) =>
    repositories.create(
      { registry, name, createdAt: now, encryption: { type: "AES256" }, ...settings },
      new Map([["a", "b"]]),
    ),
  "repositories.find": ({ repositories }) => repositories.find(registry, name),
  "repositories.keep": ({ repositories }) => repositories.keep(registry, name),
  "repositories.list": ({ repositories }) => repositories.list(registry, { limit: 9 }),
  "repositories.update": ({ repositories }) => repositories.update(1, settings),
  "repositories.resourceTags": ({ repositories }) => repositories.resourceTags(1),
  "repositories.removeResourceTags": ({ repositories }) => repositories.removeResourceTags(1, ["b", "c"]),
  "layers.link": ({ layers }) => layers.link({ id: 1, encryption: { type: "AES256" } }, blob, now),
  "layers.find": ({ layers }) => layers.find(1, digest),
  "layers.findMany": ({ layers }) => layers.findMany(1, [digest]),
  "layers.holders": ({ layers }) => layers.holders(registry, digest, serverScope, 9),
  "uploads.create": ({ uploads }) =>
    uploads.create({
      id: uploadId,
      repositoryId: 1,
      owner: { account: registry.account, arn: "arn", id: "id" },
      staging,
      algorithm: "sha256",
      staged: { sizeBytes: 0 },
      parts: 0,
      lastPartBytes: 0,
      createdAt: now,
      updatedAt: now,
    }),
  "uploads.find": ({ uploads }) => uploads.find(uploadId),
  "uploads.claim": ({ uploads }) => uploads.claim(uploadId, "writer", now, now),
  "uploads.extend": ({ uploads }) => uploads.extend(uploadId, "writer", now),
  "uploads.release": ({ uploads }) => uploads.release(uploadId, "writer"),
  "uploads.release with progress": ({ uploads }) =>
    uploads.release(uploadId, "writer", { staging, staged: { sizeBytes: 1 }, parts: 1, lastPartBytes: 1, at: now }),
  "uploads.stale": ({ uploads }) => uploads.stale(now, 9),
  "uploads.owns": ({ uploads }) => uploads.owns(staging),
  "uploads.delete": ({ uploads }) => uploads.delete(uploadId),
  "images.put": ({ images }) =>
    images.put({
      repositoryId: 1,
      digest,
      mediaType: "type",
      manifestBytes: 1,
      imageBytes: 1,
      manifest: Uint8Array.of(1),
      layers: [{ digest, mediaType: "type" }],
      children: [digest],
      pushedAt: now,
    }),
  "images.find": ({ images }) => images.find(1, digest),
  "images.findMany": ({ images }) => images.findMany(1, [digest]),
  "images.locate by digest": ({ images }) => images.locate(registry, name, { digest }),
  "images.locate by tag": ({ images }) => images.locate(registry, name, { tag }),
  "images.keepMany": ({ images }) => images.keepMany(1, [digest]),
  "images.lock": ({ images }) => images.lock(1, digest),
  "images.manifest by digest": ({ images }) => images.manifest(1, { digest }),
  "images.manifest by tag": ({ images }) => images.manifest(1, { tag }),
  "images.parents": ({ images }) => images.parents(1, digest, 9),
  "images.list any": ({ images }) => images.list(1, "ANY", { after: 1, limit: 9 }),
  "images.list tagged": ({ images }) => images.list(1, "TAGGED", { after: 1, limit: 9 }),
  "images.list untagged": ({ images }) => images.list(1, "UNTAGGED", { after: 1, limit: 9 }),
  "images.listIds any": ({ images }) => images.listIds(1, "ANY", { after: { imageId: 1, tag }, limit: 9 }),
  "images.listIds tagged": ({ images }) => images.listIds(1, "TAGGED", { after: { imageId: 1, tag }, limit: 9 }),
  "images.listIds untagged": ({ images }) => images.listIds(1, "UNTAGGED", { after: { imageId: 1 }, limit: 9 }),
  "images.referrers": ({ images }) => images.referrers(1, digest, undefined, { after: 1, limit: 9 }),
  "images.referrers by type": ({ images }) => images.referrers(1, digest, ["type"], { after: 1, limit: 9 }),
  "images.list active": ({ images }) => images.list(1, "ANY", { after: 1, limit: 9 }, "ACTIVE"),
  "images.list tagged and archived": ({ images }) => images.list(1, "TAGGED", { after: 1, limit: 9 }, "ARCHIVED"),
  "images.list untagged and activating": ({ images }) =>
    images.list(1, "UNTAGGED", { after: 1, limit: 9 }, "ACTIVATING"),
  "images.listIds active": ({ images }) => images.listIds(1, "ANY", { after: { imageId: 1, tag }, limit: 9 }, "ACTIVE"),
  "images.referrers active": ({ images }) => images.referrers(1, digest, ["type"], { after: 1, limit: 9 }, "ACTIVE"),
  "images.referrersOf": ({ images }) => images.referrersOf(1, [digest], "ACTIVE", 9),
  "images.childrenOf": ({ images }) => images.childrenOf([1], "ARCHIVED", 9),
  "images.openParents": ({ images }) => images.openParents(1, digest, 9),
  "images.setStatus": async ({ images }) => {
    for (const status of ["ARCHIVED", "ACTIVATING", "ACTIVE"] as const) await images.setStatus([1], status, now);
  },
  "blobPlaces.misplaced": ({ blobPlaces }) => blobPlaces.misplaced(now, 9),
  "blobPlaces.isNeeded": ({ blobPlaces }) => blobPlaces.isNeeded({ digest, scope: serverScope }),
  "blobPlaces.settle": ({ blobPlaces }) => blobPlaces.settle({ ...placed, misplacedSince: now }, now),
  "blobPlaces.move": ({ blobPlaces }) => blobPlaces.move(placed, { ...blob, generation: blob.generation }, now),
  "blobPlaces.want": ({ blobPlaces }) => blobPlaces.want(1, [digest], now),
  "blobPlaces.archivedOf": ({ blobPlaces }) => blobPlaces.archivedOf([1], 9),
  "blobPlaces.activating": ({ blobPlaces }) => blobPlaces.activating({ after: 1, limit: 9 }),
  "blobPlaces.hasArchived": ({ blobPlaces }) => blobPlaces.hasArchived(),
  "images.count": ({ images }) => images.count(1),
  "images.isEmpty": ({ images }) => images.isEmpty(1),
  "images.pulled": ({ images }) => images.pulled(new Map([[1, now]])),
  "creationTemplates.create": ({ creationTemplates }) => creationTemplates.create(registry, "app", template),
  "creationTemplates.findMany": ({ creationTemplates }) => creationTemplates.findMany(registry, ["app", "ROOT"]),
  "creationTemplates.list": ({ creationTemplates }) => creationTemplates.list(registry, { after: "a", limit: 9 }),
  "creationTemplates.count": ({ creationTemplates }) => creationTemplates.count(registry),
  "creationTemplates.lock": ({ creationTemplates }) => creationTemplates.lock(registry, "app"),
  "creationTemplates.update": ({ creationTemplates }) => creationTemplates.update(registry, "app", template),
  "creationTemplates.delete": ({ creationTemplates }) => creationTemplates.delete(registry, "app"),
  "pullTimeExclusions.add": ({ pullTimeExclusions }) => pullTimeExclusions.add(registry, arn, now),
  "pullTimeExclusions.list": ({ pullTimeExclusions }) => pullTimeExclusions.list(registry, { after: "a", limit: 9 }),
  "pullTimeExclusions.count": ({ pullTimeExclusions }) => pullTimeExclusions.count(registry),
  "pullTimeExclusions.remove": ({ pullTimeExclusions }) => pullTimeExclusions.remove(registry, arn),
  "tags.lock": ({ tags }) => tags.lock(1, tag),
  "tags.set": ({ tags }) => tags.set(1, tag, { id: 1, digest }, now),
  "tags.set again": ({ tags }) => tags.set(1, tag, { id: 1, digest }, now),
  "tags.find": ({ tags }) => tags.find(1, tag),
  "tags.ofImages": ({ tags }) => tags.ofImages([1]),
  "tags.countOfImage": ({ tags }) => tags.countOfImage(1),
  "tags.list": ({ tags }) => tags.list(1, { limit: 9 }),
  "tags.record": ({ tags }) => tags.record({ repositoryId: 1, tag, to: digest, at: now, by: "arn" }),
  "tags.history": ({ tags }) => tags.history(1, tag, 9),
  "tags.delete": ({ tags }) => tags.delete(1, tag),
  "settings.set": ({ settings }) => settings.set(registry, "a", "b"),
  "settings.get": ({ settings }) => settings.get(registry, "a"),
  "images.delete": ({ images }) => images.delete({ id: 1, repositoryId: 1 }, now),
  "layers.unlink": ({ layers }) => layers.unlink(1, digest, now),
  "layers.touch": ({ layers }) => layers.touch(1, [digest], now),
  "blobs.find": ({ blobs }) => blobs.find({ digest, scope: serverScope }),
  "blobs.list": ({ blobs }) => blobs.list({ limit: 9 }),
  "blobs.quarantined": ({ blobs }) => blobs.quarantined({ limit: 9 }),
  "blobs.holders": ({ blobs }) => blobs.holders({ digest, scope: serverScope }, 9),
  "blobs.quarantine": ({ blobs }) => blobs.quarantine(blob, now),
  "blobs.acquit": ({ blobs }) => blobs.acquit(blob),
  "blobs.heal": async ({ blobs, layers }) => {
    await layers.link({ id: 1, encryption: { type: "AES256" } }, blob, now);
    await blobs.quarantine(blob, now);
    await blobs.heal({ ...blob, scope: serverScope, generation: "h" as Generation });
  },
  "blobs.replace": async ({ blobs, layers }) => {
    const other = { ...blob, digest: "sha256:01" as Digest };
    await layers.link({ id: 1, encryption: { type: "AES256" } }, other, now);
    await blobs.replace(other, { ...other, scope: serverScope, generation: "i" as Generation }, now);
  },
  "blobs.strays": ({ blobs }) => blobs.strays([blob]),
  "lifecycleImages.page": ({ lifecycleImages }) => lifecycleImages.page(1, { after: 0, limit: 9 }),
  "lifecycleImages.lock": ({ lifecycleImages }) => lifecycleImages.lock(1, digest),
  "lifecyclePolicies.put": ({ lifecyclePolicies }) =>
    lifecyclePolicies.put(1, { id: "i", text: "t", setAt: now, setBy: "arn" }),
  "lifecyclePolicies.find": ({ lifecyclePolicies }) => lifecyclePolicies.find(1),
  "lifecyclePolicies.keep": ({ lifecyclePolicies }) => lifecyclePolicies.keep(1),
  "lifecyclePolicies.evaluated": ({ lifecyclePolicies }) =>
    lifecyclePolicies.evaluated(1, { id: "i", version: 1 }, now),
  "lifecyclePolicies.delete": ({ lifecyclePolicies }) => lifecyclePolicies.delete(1),
  "lifecyclePreviews.start": async ({ lifecyclePreviews }) => {
    for (let times = 0; times < 2; times++) await lifecyclePreviews.start(1, { text: "t", startedAt: now });
  },
  "lifecyclePreviews.find": ({ lifecyclePreviews }) => lifecyclePreviews.find(1),
  "lifecyclePreviews.lock": ({ lifecyclePreviews }) => lifecyclePreviews.lock(1),
  "lifecyclePreviews.addPage": async ({ lifecyclePreviews }) =>
    lifecyclePreviews.addPage((await lifecyclePreviews.find(1))?.id ?? 0, 0, []),
  "lifecyclePreviews.pages": ({ lifecyclePreviews }) => lifecyclePreviews.pages(1, { from: 0, limit: 9 }),
  "lifecyclePreviews.clear": ({ lifecyclePreviews }) => lifecyclePreviews.clear(1),
  "lifecyclePreviews.end": ({ lifecyclePreviews }) => lifecyclePreviews.end(1, { status: "COMPLETE", at: now }),
  "garbage.links": ({ garbage }) => garbage.links(now, 9),
  "garbage.unlink": ({ garbage }) => garbage.unlink({ repositoryId: 1, digest, since: now }, now),
  "garbage.blobs": ({ garbage }) => garbage.blobs(now, 9),
  "garbage.forget": ({ garbage }) => garbage.forget(blob, now),
  "garbage.removals": ({ garbage }) => garbage.removals({ after: blob, limit: 9 }, now),
  "garbage.removed": ({ garbage }) => garbage.removed([blob]),
  "garbage.forecast": ({ garbage }) => garbage.forecast(now, { after: { digest, scope: serverScope }, limit: 9 }),
  "garbage.waiting": ({ garbage }) => garbage.waiting(),
  "garbage.deleted": ({ garbage }) => garbage.deleted(9),
  "garbage.purge": ({ garbage }) => garbage.purge(1, 9, now),
  "inspection.totals": ({ inspection }) => inspection.totals(),
  "inspection.images": ({ inspection }) => inspection.images({ after: 1, limit: 9 }),
  "inspection.manifest": ({ inspection }) => inspection.manifest(1),
  "inspection.tags": ({ inspection }) => inspection.tags({ after: { repositoryId: 1, tag }, limit: 9 }),
  "inspection.dependents": ({ inspection }) => inspection.dependents({ digest, scope: serverScope }, 9),
  "inspection.restate": ({ inspection }) => inspection.restate(1),
  "inspection.recount": ({ inspection }) => inspection.recount(1),
  "usage.begin": ({ usage }) => usage.begin("2025-12-31", now),
  "usage.finish": ({ usage }) => usage.finish(0, now),
  "usage.add": async ({ usage }) => {
    const run = await usage.begin("2026-01-01", now);
    for (const repository of [name, ""] as const) {
      await usage.add(run, [{ area: { ...registry, repository }, figures: noFigures }]);
    }
    await usage.finish(run, now);
  },
  "usage.newest": ({ usage }) => usage.newest(),
  "usage.entry": ({ usage }) => usage.entry(1, { ...registry, repository: name }),
  "usage.list": ({ usage }) => usage.list(1, registry, { after: { layerBytes: 1, repository: name }, limit: 9 }),
  "usage.areas": ({ usage }) => usage.areas(1, 9),
  "usage.history": ({ usage }) => usage.history({ ...registry, repository: name }, { after: "2026-01-02", limit: 9 }),
  "usage.repositories": ({ usage }) => usage.repositories({ after: 1, limit: 9 }),
  "usage.links": ({ usage }) =>
    usage.links({ after: { digest, scope: serverScope, linkedAt: 1, repositoryId: 1 }, limit: 9 }),
  "usage.images": ({ usage }) => usage.images({ after: 1, limit: 9 }),
  "usage.unlinked": ({ usage }) => usage.unlinked({ after: { since: 1, digest, scope: serverScope }, limit: 9 }),
  "usage.liveLinks": ({ usage }) => usage.liveLinks(registry, 1, { after: digest, limit: 9 }),
  "usage.liveImages": ({ usage }) => usage.liveImages(1, { after: digest, limit: 9 }),
  "usage.outdated": ({ usage }) => usage.outdated(1, "2026-01-01", 9),
  "usage.drop": async ({ usage }) => {
    for (const limit of [1, 9]) await usage.drop(1, limit);
  },
  "repositories.delete": ({ repositories }) => repositories.delete(1),
  "keyGrants.find": ({ keyGrants }) => keyGrants.find("key" as KeyId, "grant"),
  "keyGrants.within": ({ keyGrants }) => keyGrants.within("key" as KeyId, "grantee", new Map([["a", "b"]]), 9),
  "registryPolicies.put": ({ registryPolicies }) => registryPolicies.put(registry, { policy: "{}", bindings: tags }),
  "registryPolicies.get": ({ registryPolicies }) => registryPolicies.get(registry),
  "registryPolicies.delete": ({ registryPolicies }) => registryPolicies.delete(registry),
  "accounts.create": ({ accounts }) =>
    accounts.create({ id: account, name: "n", email: "e", status: "ACTIVE", createdAt: now }),
  "accounts.find": ({ accounts }) => accounts.find(account),
  "accounts.ofRootKey": ({ accounts }) => accounts.ofRootKey("AKIA"),
  "accounts.list": ({ accounts }) => accounts.list({ after: account, limit: 9 }),
  "accounts.childrenOf": ({ accounts }) => accounts.childrenOf("r-1", { after: account, limit: 9 }),
  "accounts.update": ({ accounts }) => accounts.update(account, { name: "n" }),
  "accounts.setAlias": ({ accounts }) => accounts.setAlias(account, "alias"),
  "managedPolicies.create": ({ managedPolicies }) =>
    managedPolicies.create(
      {
        account,
        arn,
        path,
        name: "p",
        uniqueId: "ANPA",
        defaultVersion: "v1",
        nextVersion: 2,
        createdAt: now,
        updatedAt: now,
        tags,
      },
      version,
    ),
  "managedPolicies.find": ({ managedPolicies }) => managedPolicies.find(arn),
  "managedPolicies.list": ({ managedPolicies }) =>
    managedPolicies.list(account, { after: "a", limit: 9, pathPrefix: "/", onlyAttached: true }),
  "managedPolicies.count": ({ managedPolicies }) => managedPolicies.count(account),
  "managedPolicies.update": ({ managedPolicies }) => managedPolicies.update(1, { tags }),
  "managedPolicies.version": ({ managedPolicies }) => managedPolicies.version(1, "v1"),
  "managedPolicies.versions": ({ managedPolicies }) => managedPolicies.versions(1),
  "managedPolicies.addVersion": ({ managedPolicies }) => managedPolicies.addVersion(1, { ...version, version: "v2" }),
  "managedPolicies.deleteVersion": ({ managedPolicies }) => managedPolicies.deleteVersion(1, "v2"),
  "identities.create": async ({ identities }) => {
    for (const kind of ["user", "group"] as const) {
      await identities.create({ account, kind, path, name: "n", uniqueId: kind, createdAt: now, boundary: arn, tags });
    }
  },
  "identities.find": ({ identities }) => identities.find(account, "user", "n"),
  "identities.ofUniqueId": ({ identities }) => identities.ofUniqueId("user"),
  "identities.lock": ({ identities }) => identities.lock(1),
  "identities.withPolicies": ({ identities }) => identities.withPolicies("user"),
  "identities.list": ({ identities }) => identities.list(account, "user", { after: "a", limit: 9, pathPrefix: "/" }),
  "identities.count": ({ identities }) => identities.count(account, "user"),
  "identities.update": ({ identities }) => identities.update(1, { name: "m", boundary: arn }),
  "identities.used": ({ identities }) => identities.used(new Map([["user", { at: now, region: registry.region }]])),
  "identities.join": ({ identities }) => identities.join(2, 1),
  "identities.membersOf": ({ identities }) => identities.membersOf(2, { after: "a", limit: 9 }),
  "identities.groupsOf": ({ identities }) => identities.groupsOf(1, { after: "a", limit: 9 }),
  "identities.leave": ({ identities }) => identities.leave(2, 1),
  "identities.putInlinePolicy": ({ identities }) => identities.putInlinePolicy(1, "p", "{}"),
  "identities.inlinePolicy": ({ identities }) => identities.inlinePolicy(1, "p"),
  "identities.inlinePolicyNames": ({ identities }) => identities.inlinePolicyNames(1, { after: "a", limit: 9 }),
  "identities.inlinePolicies": ({ identities }) => identities.inlinePolicies(1),
  "identities.deleteInlinePolicy": ({ identities }) => identities.deleteInlinePolicy(1, "p"),
  "identities.attach": ({ identities }) => identities.attach(1, arn),
  "identities.attached": ({ identities }) => identities.attached(1, { after: "a", limit: 9 }),
  "identities.attachedTo": ({ identities }) =>
    identities.attachedTo(account, arn, "permissions", { after: 1, limit: 9 }),
  "identities.attachedTo as boundary": ({ identities }) =>
    identities.attachedTo(account, arn, "boundary", { after: 1, limit: 9 }),
  "identities.countAttached": ({ identities }) => identities.countAttached(arn, "permissions", account),
  "identities.countAttached as boundary": ({ identities }) => identities.countAttached(arn, "boundary", account),
  "identities.detach": ({ identities }) => identities.detach(1, arn),
  "accessKeys.create": ({ accessKeys }) =>
    accessKeys.create({
      accessKeyId: "AKIA",
      account,
      identityId: 1,
      sealedSecret: "s",
      status: "Active",
      createdAt: now,
    }),
  "accessKeys.find": ({ accessKeys }) => accessKeys.find("AKIA"),
  "accessKeys.findWithUser": ({ accessKeys }) => accessKeys.findWithUser("AKIA"),
  "accessKeys.ofUser": ({ accessKeys }) => accessKeys.ofUser(1),
  "accessKeys.setStatus": ({ accessKeys }) => accessKeys.setStatus("AKIA", "Inactive"),
  "accessKeys.used": ({ accessKeys }) => accessKeys.used(new Map([["AKIA", { at: now, service: "s", region: "r" }]])),
  "accessKeys.delete": ({ accessKeys }) => accessKeys.delete("AKIA"),
  "identities.delete": async ({ identities }) => {
    for (const id of [1, 2]) await identities.delete(id);
  },
  "managedPolicies.delete": ({ managedPolicies }) => managedPolicies.delete(1),
  "oidcProviders.create": ({ oidcProviders }) =>
    oidcProviders.create({ account, arn, url: "u", clientIds: [], thumbprints: [], createdAt: now, tags }),
  "oidcProviders.find": ({ oidcProviders }) => oidcProviders.find(arn),
  "oidcProviders.list": ({ oidcProviders }) => oidcProviders.list(account),
  "oidcProviders.update": ({ oidcProviders }) => oidcProviders.update(arn, { clientIds: [] }),
  "oidcProviders.delete": ({ oidcProviders }) => oidcProviders.delete(arn),
  "organizations.create": ({ organizations }) =>
    organizations.create({ id: "o-1", rootId: "r-1", managementAccount: account, createdAt: now, policyTypes: [] }),
  "organizations.get": ({ organizations }) => organizations.get(),
  "organizations.setPolicyTypes": ({ organizations }) => organizations.setPolicyTypes([]),
  "organizations.putUnit": ({ organizations }) => organizations.putUnit({ id: "ou-1", parentId: "r-1", name: "n" }),
  "organizations.unit": ({ organizations }) => organizations.unit("ou-1"),
  "organizations.unitsIn": ({ organizations }) => organizations.unitsIn("r-1"),
  "organizations.putPolicy": ({ organizations }) =>
    organizations.putPolicy({ id: "p-1", type: "SERVICE_CONTROL_POLICY", name: "n", description: "", document: "{}" }),
  "organizations.policy": ({ organizations }) => organizations.policy("p-1"),
  "organizations.policies": ({ organizations }) => organizations.policies("SERVICE_CONTROL_POLICY"),
  "organizations.attach": ({ organizations }) => organizations.attach("p-1", "ou-1"),
  "organizations.attached": ({ organizations }) => organizations.attached("ou-1"),
  "organizations.targetsOf": ({ organizations }) => organizations.targetsOf("p-1"),
  "organizations.detach": ({ organizations }) => organizations.detach("p-1", "ou-1"),
  "organizations.deletePolicy": ({ organizations }) => organizations.deletePolicy("p-1"),
  "organizations.deleteUnit": ({ organizations }) => organizations.deleteUnit("ou-1"),
  "audit.lockEnds": ({ audit }) => audit.lockEnds(),
  "audit.append": ({ audit }) =>
    audit.append(chained({ sequence: 0, hash }, packed([{ ...registry, at: now, record: "{}" }]))),
  "audit.ends": ({ audit }) => audit.ends(),
  "audit.list": ({ audit }) => audit.list(registry, { from: now, until: now, limit: 9 }),
  "audit.list behind": ({ audit }) =>
    audit.list(registry, { from: now, until: now, behind: { lastAt: now, lastSequence: 9 }, limit: 9 }),
  "audit.chain": ({ audit }) => audit.chain({ after: 1, limit: 9 }),
  "audit.oldest": ({ audit }) => audit.oldest(9),
  "audit.remove": ({ audit }) => audit.remove({ sequence: 1, hash }),
  "jobs.enqueue": ({ jobs }) => jobs.enqueue({ kind: "k", payload: "1", key: "a", runAt: now, maxAttempts: 1 }, now),
  "jobs.find": ({ jobs }) => jobs.find(1 as JobId),
  "jobs.agenda": ({ jobs }) => jobs.agenda(["k", "l"]),
  "jobs.claim": ({ jobs }) => jobs.claim({ kind: "k", worker: "w", now, leaseUntil: now, limit: 9 }),
  "jobs.extend": ({ jobs }) => jobs.extend([claim], now, now),
  "jobs.expired": ({ jobs }) => jobs.expired(now, 9),
  "jobs.checkpoint": ({ jobs }) => jobs.checkpoint(claim, "1"),
  "jobs.putBack": ({ jobs }) => jobs.putBack(claim, { runAt: now, at: now }),
  "jobs.complete": async ({ jobs }) => {
    for (const keepUntil of [undefined, now]) await jobs.complete(claim, now, keepUntil);
  },
  "jobs.bury": async ({ jobs }) => {
    const [running] = await jobs.claim({ kind: "k", worker: "w", now, leaseUntil: now, limit: 9 });
    await jobs.enqueue({ kind: "k", payload: "1", key: "a", runAt: now, maxAttempts: 1 }, now);
    if (running) await jobs.bury(running.claim, { error: "e", at: now, until: now });
  },
  "jobs.counts": ({ jobs }) => jobs.counts(),
  "jobs.list": ({ jobs }) => jobs.list({ state: "dead" }, { limit: 9 }),
  "jobs.list behind": ({ jobs }) =>
    jobs.list({ state: "dead", kind: "k" }, { after: { kind: "k", runAt: now, id: claim.id }, limit: 9 }),
  "jobs.retry": async ({ jobs }) => {
    const [dead] = await jobs.list({ state: "dead" }, { limit: 1 });
    if (dead) await jobs.retry(dead.id, now);
  },
  "jobs.discard": ({ jobs }) => jobs.discard(1 as JobId),
  "jobs.rewind": ({ jobs }) => jobs.rewind(new Date(-1), 0, 9),
  "jobs.prune": async ({ jobs }) => {
    const { id } = await jobs.enqueue({ kind: "p", payload: "1", runAt: now, maxAttempts: 1 }, now);
    const [running] = await jobs.claim({ kind: "p", worker: "w", now, leaseUntil: now, limit: 9 });
    if (running?.id === id) await jobs.complete(running.claim, now, now);
    await jobs.prune(now, 9);
  },
  "holds.on": ({ holds }) => holds.on(1, [tag, digest], now),
  "holds.list": ({ holds }) => holds.list(1, { after: "a", limit: 9 }, now),
  "holds.count": ({ holds }) => holds.count(1),
  "holds.put": async ({ holds }) => {
    const hold = { repositoryId: 1, target: tag, reason: "r", placedAt: now, placedBy: "arn", until: now };
    for (let times = 0; times < 2; times++) await holds.put(hold);
  },
  "holds.forget": ({ holds }) => holds.forget(new Date(1), 9),
  "holds.remove": ({ holds }) => holds.remove(1, tag),
  "retentions.find": ({ retentions }) => retentions.find(1),
  "retentions.update": async ({ retentions }) => {
    const retention = { document: "{}", reportOnly: true, isProtected: true };
    for (let times = 0; times < 2; times++) await retentions.update(1, retention);
  },
  "deletedImages.keep": async ({ layers, images, deletedImages }) => {
    await layers.link({ id: 1, encryption: { type: "AES256" } }, blob, now);
    const { id } = await images.put({
      repositoryId: 1,
      digest: kept,
      mediaType: "type",
      manifestBytes: 1,
      imageBytes: 1,
      subject: digest,
      manifest: Uint8Array.of(1),
      layers: [{ digest, mediaType: "type" }],
      children: [],
      pushedAt: now,
    });
    const image = { id, repositoryId: 1, digest: kept };
    for (let times = 0; times < 2; times++) {
      await deletedImages.keep(image, [tag], { at: now, by: "arn", until: new Date(times) });
    }
    await images.delete(image, now);
  },
  "deletedImages.lock": ({ deletedImages }) => deletedImages.lock(1, kept, now),
  "deletedImages.list": ({ deletedImages }) => deletedImages.list(1, { after: 1, limit: 9 }, now),
  "deletedImages.referrersOf": ({ deletedImages }) => deletedImages.referrersOf(1, [digest], 9, now),
  "deletedImages.needs": ({ deletedImages }) => deletedImages.needs(1, digest),
  "deletedImages.content": async ({ deletedImages }) => {
    for (const { id } of await deletedImages.list(1, { limit: 1 }, now)) await deletedImages.content(id);
  },
  "deletedImages.setTimes": ({ deletedImages }) => deletedImages.setTimes(1, { lastPulledAt: now }),
  "deletedImages.forget": ({ deletedImages }) => deletedImages.forget(new Date(1), 9),
  "repositories.putAside": async ({ repositories }) => {
    const other = {
      registry,
      name: "aside" as RepositoryName,
      createdAt: now,
      encryption: { type: "AES256" },
    } as const;
    for (let times = 0; times < 2; times++) {
      const made = await repositories.create({ ...other, ...settings }, new Map());
      if (made) await repositories.putAside(made, { at: now, by: "arn", until: new Date(times + 1) });
    }
  },
  "deletedRepositories.list": ({ deletedRepositories }) =>
    deletedRepositories.list(registry, { after: 1, limit: 9 }, now),
  "deletedRepositories.lock": ({ deletedRepositories }) =>
    deletedRepositories.lock(registry, "aside" as RepositoryName, now),
  "deletedRepositories.forget": ({ deletedRepositories }) => deletedRepositories.forget(new Date(1), 9),
  "deletedRepositories.restore": async ({ deletedRepositories }) => {
    const aside = await deletedRepositories.lock(registry, "aside" as RepositoryName, now);
    if (aside) await deletedRepositories.restore(aside);
  },
  "schedules.put": async ({ schedules }) => {
    const put = { kind: "k", key: "a", payload: "1", maxAttempts: 1, everyMs: 1, nextAt: now, setAt: now };
    for (let times = 0; times < 2; times++) await schedules.put(put);
  },
  "schedules.find": ({ schedules }) => schedules.find("k", "a"),
  "schedules.list": async ({ schedules }) => {
    for (const after of [undefined, { kind: "k", key: "a" }]) await schedules.list({ after, limit: 9 });
  },
  "schedules.due": ({ schedules }) => schedules.due(now, 9),
  "schedules.setAfter": ({ schedules }) => schedules.setAfter(now, 9),
  "schedules.advance": ({ schedules }) => schedules.advance({ kind: "k", key: "a", nextAt: now, setAt: now }),
  "schedules.delete": ({ schedules }) => schedules.delete("k", "a"),
  "repositories.setResourceTags": ({ repositories }) => repositories.setResourceTags(1, new Map([["a", "b"]])),
  "uploads.countOf": ({ uploads }) => uploads.countOf({ account, id: "id" }, 9),
  "deletedImages.remove": ({ deletedImages }) => deletedImages.remove({ id: 1, repositoryId: 1 }, now),
  "organizations.delete": ({ organizations }) => organizations.delete(),
  ...keyVerbs,
  ...ruleVerbs,
  ...cacheVerbs,
  ...scanningVerbs,
  ...replicationVerbs,
};

/**
 * What came with the statement, or is a page already, or a short queue, may be read from end to end, and what belongs to a
 * few that were named may be sorted. Tables may not, but by who asks how large they are, and by who deletes all there is.
 */
const isSmall = new RegExp(
  [
    "SCAN (?:json_each VIRTUAL TABLE|CONSTANT ROW|\\d+-ROW VALUES CLAUSE|pulled|used|owner|owned|page|blob_removal)",
    "(?:images.listIds|identities.(?:membersOf|groupsOf)|keyGrants.retirableBy|secrets.versions|awaited.layers).*TEMP B-TREE",
    // A page in the order of the table itself.
    "^keys.allMaterials: SCAN key_material$",
    "^(?:inspection.totals|jobs.counts|organizations.delete)",
  ].join("|"),
);

test("every statement finds its rows by an index, in the order asked for", async () => {
  await withPath(async (path) => {
    await (await openSqlite({ path })).close();
    const connection = await SqliteConnection.open(path);
    const ran: { verb: string; sql: string; parameters: readonly unknown[] }[] = [];
    let verb = "";
    const db = new Kysely<Schema>({
      dialect: sqliteDialect({ connection, synchronous: "NORMAL", reads: false }),
      log: ({ query }) => {
        ran.push({ verb, sql: query.sql, parameters: query.parameters });
      },
    });
    for (const [name, run] of Object.entries(verbs)) {
      verb = name;
      await run(nouns(db, sqliteFlavour));
    }
    const planned = ran.flatMap(({ verb, sql: text, parameters }) => {
      const rows = connection.explain(text, parameters);
      return rows.map((step) => `${verb}: ${step}`);
    });
    connection.close();

    const bad = planned.filter((step) => /SCAN|TEMP B-TREE|AUTOMATIC/.test(step) && !isSmall.test(step));
    expect(bad).toEqual([]);
    expect(planned.filter((step) => step.includes("SEARCH")).length).toBeGreaterThan(60);
  });
});

test("every verb is among those whose statements are looked at", () => {
  const all = Object.entries(nouns(Kysely.prototype, sqliteFlavour)).flatMap(([noun, itsVerbs]) =>
    Object.keys(itsVerbs).map((verb) => `${noun}.${verb}`),
  );
  const looked = new Set(Object.keys(verbs).map((name) => name.split(" ")[0]));
  expect(all.filter((verb) => !looked.has(verb))).toEqual([]);
  expect(all.length).toBeGreaterThan(200);
});

test("every foreign key has an index that begins with it", async () => {
  await withPath(async (path) => {
    await (await openSqlite({ path })).close();
    const database = new Database(path, { readonly: true });
    const all = <Row>(text: string) => database.prepare(text).all() as Row[];
    const uncovered: string[] = [];
    let keys = 0;
    for (const { name: table } of all<{ name: string }>("select name from sqlite_schema where type = 'table'")) {
      const indexes = all<{ name: string }>(`pragma index_list(${table})`).map(({ name }) =>
        all<{ name: string }>(`pragma index_info(${name})`).map((column) => column.name),
      );
      // An integer primary key is the table itself and has no entry in the list.
      indexes.push(
        all<{ name: string; pk: number }>(`pragma table_info(${table})`)
          .filter(({ pk }) => pk)
          .map((c) => c.name),
      );
      const columns = Map.groupBy(
        all<{ id: number; seq: number; from: string }>(`pragma foreign_key_list(${table})`),
        ({ id }) => id,
      );
      for (const key of columns.values()) {
        keys++;
        const from = key.sort((a, b) => a.seq - b.seq).map((column) => column.from);
        if (!indexes.some((index) => from.every((column, at) => index[at] === column)))
          uncovered.push(`${table}(${from})`);
      }
    }
    database.close();
    expect(uncovered).toEqual([]);
    expect(keys).toBeGreaterThan(10);
  });
});
