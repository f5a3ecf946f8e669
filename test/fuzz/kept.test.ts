import { expect, test } from "bun:test";
import type { Registry, RepositoryName } from "../../src/domain/names.ts";
import { collectGarbage } from "../../src/domain/registry/collection.ts";
import { createKeptByRetention } from "../../src/domain/registry/kept-by-retention.ts";
import { account, digestOf, type InProcess, inProcess, mediaTypes, region } from "../support/berth.ts";
import { createLifecycleRunner } from "../support/lifecycle.ts";
import { askOwn } from "../support/own-api.ts";
import { createRandom } from "../support/random.ts";

/**
 * What is held is never gone, and what was deleted can be brought back in its time, whatever sequence of pushes, deletes,
 * lifecycle policies and collections comes between. Grace is nothing, so that whatever may go goes at once.
 */

const registry: Registry = { account, region };
const hourMs = 3_600_000;
const windowMs = 24 * hourMs;
const repositories = ["kept/a", "kept/b"];
const tags = ["v1", "v2", "prod"];
const steps = 400;

interface HeldImage {
  readonly repository: string;
  readonly target: string;
  readonly digest: string;
  /** Milliseconds since 1970. */
  readonly untilMs?: number;
}

interface DeletedOne {
  readonly repository: string;
  readonly digest: string;
  readonly atMs: number;
}

async function run(seed: number, { collect }: { collect(berth: InProcess): Promise<unknown> }): Promise<string[]> {
  const berth = await inProcess({ createOnPush: true, undeleteMs: windowMs });
  // Else evaluations would fall elsewhere in the sequence with each run.
  berth.now = new Date(Date.UTC(2026, 0, 1));
  const kept = createKeptByRetention(() => berth.now);
  const lifecycle = createLifecycleRunner(berth, kept, windowMs);
  const random = createRandom(`kept/${seed}`);
  const held = new Map<string, HeldImage>();
  const deleted = new Map<string, DeletedOne>();
  const wrong: string[] = [];
  let expired = 0;
  const nowMs = () => berth.now.getTime();
  const keyOf = (repository: string, target: string) => `${repository} ${target}`;

  const read = async (repository: string, reference: string) => {
    const answer = await berth.oci("GET", `/v2/${repository}/manifests/${reference}`);
    return answer.status === 200 ? await answer.text() : undefined;
  };

  /** The image with all that a pull of it needs. */
  async function isWhole(repository: string, reference: string, digest: string): Promise<boolean> {
    const text = await read(repository, reference);
    if (text === undefined || digestOf(text) !== digest) return false;
    const { config, layers = [], manifests = [] } = JSON.parse(text);
    for (const { digest: blob } of config ? [config, ...layers] : []) {
      const answer = await berth.oci("GET", `/v2/${repository}/blobs/${blob}`);
      if (answer.status !== 200 || digestOf(new Uint8Array(await answer.arrayBuffer())) !== blob) return false;
    }
    for (const child of manifests) if (!(await isWhole(repository, child.digest, child.digest))) return false;
    return true;
  }

  async function digestsIn(repository: string): Promise<string[]> {
    const found = await berth.stores.metadata.read.repositories.find(registry, repository as RepositoryName);
    if (!found) return [];
    const images = await berth.stores.metadata.read.images.list(found.id, "ANY", { limit: 100 });
    return images.map(({ digest }) => digest as string);
  }

  async function push(repository: string, tag: string) {
    const content = `content ${random.below(12)}`;
    await berth.pushImage(repository, tag, content).catch(() => {});
  }

  async function remove(repository: string, reference: string): Promise<void> {
    const before = await digestsIn(repository);
    await berth.oci("DELETE", `/v2/${repository}/manifests/${reference}`);
    await noteDeleted(repository, before);
  }

  async function noteDeleted(repository: string, before: readonly string[]): Promise<void> {
    const after = new Set(await digestsIn(repository));
    for (const digest of before.filter((one) => !after.has(one))) {
      deleted.set(keyOf(repository, digest), { repository, digest, atMs: nowMs() });
    }
  }

  const pickDigest = async (repository: string) => {
    const digests = await digestsIn(repository);
    return digests.length > 0 ? random.pick(digests) : undefined;
  };

  const operations: Record<string, (repository: string) => Promise<unknown>> = {
    push: (repository) => push(repository, random.pick(tags)),
    async index(repository) {
      const children = (await digestsIn(repository)).slice(0, 1 + random.below(2));
      const manifests = children.map((digest) => ({ mediaType: mediaTypes.manifest, digest, size: 1 }));
      const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
      const headers = { "content-type": mediaTypes.index };
      await berth.oci("PUT", `/v2/${repository}/manifests/${random.pick(tags)}`, { headers, body });
    },
    async hold(repository) {
      const digest = await pickDigest(repository);
      const target = random.chance(1 / 2) ? random.pick(tags) : digest;
      if (target === undefined) return;
      const imageId = target.includes(":") ? { imageDigest: target } : { imageTag: target };
      const untilMs = random.chance(1 / 3) ? nowMs() + (1 + random.below(30)) * hourMs : undefined;
      const until = untilMs === undefined ? undefined : untilMs / 1000;
      const input = { repositoryName: repository, imageId, reason: "kept", until };
      if ((await askOwn(berth, "PutHold", input)).status !== 200) return;
      const text = await read(repository, target);
      if (text === undefined) wrong.push(`${repository} holds ${target}, which is not there`);
      else held.set(keyOf(repository, target), { repository, target, digest: digestOf(text), untilMs });
    },
    async release(repository) {
      const own = [...held.values()].filter((one) => one.repository === repository);
      if (own.length === 0) return;
      const { target } = random.pick(own);
      const imageId = target.includes(":") ? { imageDigest: target } : { imageTag: target };
      await askOwn(berth, "RemoveHold", { repositoryName: repository, imageId });
      held.delete(keyOf(repository, target));
    },
    removeTag: (repository) => remove(repository, random.pick(tags)),
    async removeImage(repository) {
      const digest = await pickDigest(repository);
      if (digest !== undefined) await remove(repository, digest);
    },
    async undelete(repository) {
      const own = [...deleted.values()].filter((one) => one.repository === repository);
      if (own.length === 0) return;
      const { digest, atMs } = random.pick(own);
      const wasThere = (await digestsIn(repository)).includes(digest);
      const input = { repositoryName: repository, imageDigest: digest };
      const { status, __type } = await askOwn(berth, "UndeleteImage", input);
      deleted.delete(keyOf(repository, digest));
      if (wasThere) return;
      const isDue = nowMs() - atMs < windowMs;
      // What an index lists may have gone for good before the index did.
      if (isDue && status !== 200 && __type !== "ReferencedImagesNotFoundException") {
        wrong.push(`${repository} cannot bring back ${digest}: ${__type}`);
      }
      if (status === 200 && !(await isWhole(repository, digest, digest))) {
        wrong.push(`${repository} has brought back ${digest} without its parts`);
      }
    },
    async removeRepository(repository) {
      if (!random.chance(1 / 4)) return;
      const input = { repositoryName: repository };
      const { status } = await askEcr(berth, "DeleteRepository", { ...input, force: true });
      const isHeld = [...held.values()].some((one) => one.repository === repository && isHolding(one));
      if (isHeld && status === 200) wrong.push(`${repository} was deleted with what it holds`);
      if (status === 200 && (await askOwn(berth, "UndeleteRepository", input)).status !== 200) {
        wrong.push(`${repository} does not come back`);
      }
    },
    async policy(repository) {
      const selection = { tagStatus: "any", countType: "imageCountMoreThan", countNumber: 1 + random.below(3) };
      const rules = [{ rulePriority: 1, selection, action: { type: "expire" } }];
      const lifecyclePolicyText = JSON.stringify({ rules }).padEnd(100);
      await askEcr(berth, "PutLifecyclePolicy", { repositoryName: repository, lifecyclePolicyText });
    },
    async evaluate() {
      const before = new Map<string, readonly string[]>();
      for (const repository of repositories) before.set(repository, await digestsIn(repository));
      for (const { acted } of await lifecycle.runDue()) expired += acted;
      for (const [repository, digests] of before) await noteDeleted(repository, digests);
    },
    collect: () => collect(berth),
    async wait() {
      berth.now = new Date(nowMs() + random.below(12) * hourMs);
    },
  };

  const isHolding = ({ untilMs }: HeldImage) => untilMs === undefined || untilMs > nowMs();

  async function compare(): Promise<void> {
    for (const one of held.values()) {
      const { repository, target, digest } = one;
      if (isHolding(one) && !(await isWhole(repository, target, digest))) {
        wrong.push(`${repository} has lost ${target}, which it holds`);
      }
    }
  }

  const names = Object.keys(operations);
  for (let step = 0; step < steps && wrong.length === 0; step++) {
    const name = random.chance(1 / 3) ? "push" : random.pick(names);
    await operations[name]?.(random.pick(repositories));
    for (const [key, one] of held) if (!isHolding(one)) held.delete(key);
    if (step % 5 === 0) await compare();
    if (wrong.length > 0) wrong.push(`after step ${step}, ${name}`);
  }
  expect(berth.logged).toEqual([]);
  if (wrong.length === 0) expect(expired).toBeGreaterThan(5);
  await berth.close();
  return wrong;
}

async function askEcr(berth: InProcess, operation: string, input: object): Promise<{ status: number }> {
  return askOwn(berth, operation, input, undefined, "ecr");
}

const collect = (berth: InProcess) => collectGarbage({ ...berth.stores, clock: () => berth.now }, { graceMs: 0 });

test.each([1, 2])(
  "what is held stays, and what was deleted comes back (seed %d)",
  async (seed) => {
    expect(await run(seed, { collect })).toEqual([]);
  },
  60_000,
);

test("the oracle sees a collection that knows nothing of deleted images", async () => {
  const wrong = await run(1, {
    async collect(berth) {
      await berth.stores.metadata.transact((nouns) => nouns.deletedImages.forget(new Date(8e15), 1000));
      await collect(berth);
    },
  });
  expect(wrong).not.toEqual([]);
}, 60_000);

test("the oracle sees holds that end too early", async () => {
  const wrong = await run(1, {
    async collect({ now, stores }) {
      await stores.metadata.transact(async ({ repositories: all, holds }) => {
        for (const name of repositories) {
          const found = await all.find(registry, name as RepositoryName);
          for (const { target } of found ? await holds.list(found.id, { limit: 100 }, now) : []) {
            await holds.remove(found?.id ?? 0, target);
          }
        }
      });
    },
  });
  expect(wrong).not.toEqual([]);
}, 60_000);
