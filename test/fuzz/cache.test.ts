import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  CreatePullThroughCacheRuleCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
} from "@aws-sdk/client-ecr";
import { check, type Problem } from "../../src/domain/registry/check.ts";
import { collectGarbage, strayAfterMs, sweepStrays } from "../../src/domain/registry/collection.ts";
import { expireUploads } from "../../src/domain/registry/upload-expiry.ts";
import { createRemotes } from "../../src/remotes/registry/index.ts";
import { digestOf, type InProcess, inProcess } from "../support/berth.ts";
import { createRandom, type Random } from "../support/random.ts";
import { startUpstream, type Upstream, upstreamsHere } from "../support/upstream.ts";

/**
 * Caches amid everything else: clients pull through them, push, delete and collect at random and at once, while the
 * upstream publishes, fails and cuts transfers. A model knows what the upstream ever had under each tag: an answer is one
 * of that, whole, or says what is wrong. In the end all that was pulled is there, and nothing else.
 */

setDefaultTimeout(60_000);

const clients = 5;
const steps = 600;
const graceMs = 3_600_000;
const cached = ["far/a", "far/b"] as const;
const names = [...cached, "own"] as const;
const tags = ["1", "2", "3"] as const;
/** Few, so that repositories share them; some of more than one piece. */
const contents = Array.from({ length: 24 }, (_, index) =>
  new Uint8Array(index % 4 === 0 ? 200_000 + index : 20 + index).fill(index + 1),
);

let berth: InProcess;
let upstream: Upstream;
const remotes = createRemotes({ clock: () => berth.now, pauseMs: 1 });

beforeAll(async () => {
  upstream = await startUpstream();
  berth = await inProcess({ upstreams: upstreamsHere, openRemote: remotes.open, cachePauseMs: 1 });
  const rule = { ecrRepositoryPrefix: "far", upstreamRegistryUrl: upstream.host };
  await ecr().send(new CreatePullThroughCacheRuleCommand(rule));
  await ecr().send(new CreateRepositoryCommand({ repositoryName: "own" }));
});
afterAll(async () => {
  await berth.close();
  remotes.close();
  await upstream.close();
});

const ecr = () => berth.ecr({ systemClockOffset: berth.now.getTime() - Date.now() });
const later = (ms: number) => {
  berth.now = new Date(berth.now.getTime() + ms);
};

/** What was ever under each tag, there or here. */
const known = new Map<string, Set<string>>();
function remember(name: string, tag: string, digest: string): void {
  const key = `${name}:${tag}`;
  known.set(key, (known.get(key) ?? new Set()).add(digest));
}

/** How often something of a repository was deleted, and whether something is being. */
const deletions = new Map<string, { begun: number; ended: number }>();
async function deleting(name: string, work: () => Promise<unknown>): Promise<void> {
  const facts = deletions.get(name) ?? { begun: 0, ended: 0 };
  deletions.set(name, facts);
  facts.begun++;
  await work();
  facts.ended++;
}
/** While nothing of it is being deleted, how often something was; nothing where that is not what it was before. */
function untouched(name: string, before?: string): string | undefined {
  const { begun, ended } = deletions.get(name) ?? { begun: 0, ended: 0 };
  const now = begun === ended ? String(begun) : undefined;
  return before === undefined || before === now ? now : undefined;
}

/** How often the upstream was bad so far. */
let troubles = 0;
let isDown = false;
const wrong: string[] = [];
const seen = { pulls: 0, whole: 0, refused: 0, cut: 0, collected: 0 };

interface Listed {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}
const blobsIn = ({ config, layers }: Listed) => [config, ...layers].map(({ digest }) => digest);

function publish(random: Random): void {
  const name = random.pick(cached);
  const tag = random.pick(tags);
  const layers = Array.from({ length: 1 + random.below(3) }, () => random.pick(contents));
  remember(name, tag, upstream.image(name.slice("far/".length), tag, ...layers));
}

/** What was true when somebody began to pull. */
interface Before {
  readonly untouched?: string;
  readonly troubles: number;
  readonly wasDown: boolean;
}

const wellSince = ({ troubles: then, wasDown }: Before) => !wasDown && then === troubles;

/** Whoever joined what others began while the upstream was bad shares how it ends, and asks again. */
const attempts = 5;
async function pause(): Promise<void> {
  later(120_000);
  await Bun.sleep(5);
}

async function pull(random: Random, name: string, attempt = 1): Promise<void> {
  const tag = random.pick(tags);
  const before: Before = { untouched: untouched(name), troubles, wasDown: isDown };
  const answer = await berth.oci("GET", `/v2/${name}/manifests/${tag}`);
  const text = await answer.text();
  seen.pulls++;
  if (answer.status === 200) {
    const digest = answer.headers.get("docker-content-digest") ?? "";
    if (digestOf(text) !== digest) wrong.push(`${name}:${tag} is not what its digest says`);
    if (!known.get(`${name}:${tag}`)?.has(digest)) wrong.push(`${name}:${tag} is ${digest}, which it never was`);
    for (const blob of blobsIn(JSON.parse(text))) await pullBlob(random, name, blob, before);
    return;
  }
  seen.refused++;
  const isPassing = answer.status === 502 && name !== "own";
  if (isPassing && !wellSince(before)) return;
  if (isPassing && attempt < attempts) {
    await pause();
    return pull(random, name, attempt + 1);
  }
  const isKnownNowhere = answer.status === 404 && (name === "own" || before.untouched === undefined);
  if (answer.status !== 404 || (!isKnownNowhere && upstream.manifests.has(`${name.slice("far/".length)}/${tag}`))) {
    if (untouched(name, before.untouched)) wrong.push(`${name}:${tag} answered ${answer.status} ${text}`);
  }
}

async function pullBlob(random: Random, name: string, blob: string, before: Before, attempt = 1): Promise<void> {
  const content = contents.find((bytes) => digestOf(bytes) === blob);
  const first = content && random.chance(1 / 4) ? random.below(content.length) : undefined;
  const headers = first === undefined ? undefined : { range: `bytes=${first}-` };
  const answer = await berth.oci("GET", `/v2/${name}/blobs/${blob}`, { headers });
  // Cut off in the middle, as it should be where the rest is not to be had.
  const bytes = await answer.bytes().catch(() => undefined);
  if (bytes && answer.ok) {
    const expected = first === undefined ? blob : digestOf(content?.subarray(first) ?? "");
    if (digestOf(bytes) !== expected) wrong.push(`${name} ${blob} came as something else`);
    else seen.whole++;
    return;
  }
  if (bytes) seen.refused++;
  else seen.cut++;
  const isPassing = (!bytes || answer.status === 502) && name !== "own";
  if (isPassing && !wellSince(before)) return;
  if (isPassing && attempt < attempts) {
    await pause();
    return pullBlob(random, name, blob, before, attempt + 1);
  }
  const isGone = answer.status === 404 && !untouched(name, before.untouched);
  if (isGone || before.untouched === undefined) return;
  wrong.push(`${name} ${blob} answered ${answer.status} ${bytes ? new TextDecoder().decode(bytes) : "and was cut"}`);
}

async function push(random: Random, name: string): Promise<void> {
  const tag = random.pick(tags);
  const content = random.pick(contents);
  try {
    const { digest } = await berth.pushImage(name, tag, content as never);
    remember(name, tag, digest);
  } catch (error) {
    // The repository is not there yet, or something of it was deleted meanwhile.
    if (!/push: (?:404|400)/.test(String(error))) throw error;
  }
}

async function remove(random: Random, name: string): Promise<void> {
  const { tags: found } = (await (await berth.oci("GET", `/v2/${name}/tags/list`)).json()) as { tags?: string[] };
  if (!found || found.length === 0) return;
  const tag = random.pick(found);
  const asked = await berth.oci("HEAD", `/v2/${name}/manifests/${tag}`);
  const reference = random.chance(1 / 2) ? tag : (asked.headers.get("docker-content-digest") ?? tag);
  await deleting(name, () => berth.oci("DELETE", `/v2/${name}/manifests/${reference}`));
}

async function removeRepository(name: string): Promise<void> {
  if (name === "own") return;
  await deleting(name, async () => {
    for (let isDone = false; !isDone; ) {
      const removed = ecr().send(new DeleteRepositoryCommand({ repositoryName: name, force: true }));
      isDone = await removed.then(
        () => true,
        ({ name: error }: Error) => {
          if (error === "RepositoryNotFoundException") return true;
          // Others moved the clock after it was signed.
          if (error === "InvalidSignatureException") return false;
          throw new Error(error);
        },
      );
    }
  });
}

/** For a moment: everything fails, or every transfer is cut somewhere. */
async function fail(random: Random): Promise<void> {
  if (isDown) return;
  [isDown, troubles] = [true, troubles + 1];
  const cuts = random.chance(1 / 2);
  upstream.instead = ({ url = "" }, response) => {
    if (cuts && !url.includes("/blobs/")) return false;
    if (cuts && random.chance(1 / 2)) return false;
    response.destroy();
    return true;
  };
  for (let turns = 0; turns < 20; turns++) await Bun.sleep(1);
  upstream.instead = undefined;
  [isDown, troubles] = [false, troubles + 1];
  // Nobody waits any longer for what was down.
  later(120_000);
}

const storesNow = () => ({ ...berth.stores, clock: () => berth.now });

async function tidy(): Promise<void> {
  later(600_000);
  seen.collected += (await collectGarbage(storesNow(), { graceMs })).blobs;
  // The disk dates what is on it by the real time: by ours, what comes just now would be of days ago.
  await sweepStrays({ ...berth.stores, clock: () => new Date() });
}

async function client(random: Random, number: number): Promise<void> {
  for (let step = 0; step < number; step++) {
    const name = random.pick(names);
    await random.weighted<() => unknown>([
      [10, () => pull(random, name)],
      [3, () => publish(random)],
      [2, () => push(random, name)],
      [2, () => remove(random, name)],
      [0.3, () => removeRepository(name)],
      [1, () => tidy()],
      [0.5, () => fail(random)],
      // Tags are compared with the upstream again.
      [0.3, () => later(25 * 3_600_000)],
    ])();
  }
}

async function manifestsHere(): Promise<{ name: string; manifest: Listed }[]> {
  const found: { name: string; manifest: Listed }[] = [];
  for (const { repository, digest } of await berth.stores.metadata.read.inspection.images({
    after: 0,
    limit: 10_000,
  })) {
    const answer = await berth.oci("GET", `/v2/${repository.name}/manifests/${digest}`);
    found.push({ name: repository.name, manifest: (await answer.json()) as Listed });
  }
  return found;
}

async function storedDigests(): Promise<string[]> {
  const found: string[] = [];
  for await (const { digest } of berth.stores.blobs.list()) found.push(digest);
  return found;
}

async function isInOrder(): Promise<Problem[]> {
  const problems: Problem[] = [];
  const found = (problem: Problem) => problems.push(problem);
  await check(storesNow(), { rehash: true, repair: false, bytesPerSecond: 0, found });
  return problems;
}

test.each(["7", "8"])("seed %s: never a wrong answer, a lost blob or a leaked one", async (seed) => {
  const setting = createRandom(`${seed}/upstream`);
  for (let number = 0; number < 12; number++) publish(setting);
  await Promise.all(
    Array.from({ length: clients }, (_, index) => client(createRandom(`${seed}/${index}`), steps / clients)),
  );
  expect(berth.logged).toEqual([]);
  expect(wrong).toEqual([]);
  expect(seen.whole).toBeGreaterThan(200);
  expect(seen.collected).toBeGreaterThan(0);

  // All is well again: what images name can be had, and is kept.
  upstream.instead = undefined;
  later(600_000);
  const images = await manifestsHere();
  const needed = new Set<string>();
  for (const { name, manifest } of images) {
    for (const blob of blobsIn(manifest)) {
      needed.add(blob);
      const answer = await berth.oci("GET", `/v2/${name}/blobs/${blob}`);
      expect([answer.status, digestOf(await answer.bytes())]).toEqual([200, blob]);
    }
  }
  expect(images.length).toBeGreaterThan(0);
  // Downloads that began for others end before anybody looks for what is left.
  for (let round = 0; round < 3; round++) {
    later(Math.max(graceMs, strayAfterMs) + 60_000);
    await expireUploads(storesNow(), new Date(berth.now.getTime() - graceMs));
    await collectGarbage(storesNow(), { graceMs });
    await sweepStrays(storesNow());
  }
  expect(new Set(await storedDigests())).toEqual(needed);
  expect(await isInOrder()).toEqual([]);

  // And it is there when the upstream is not.
  upstream.instead = (_, response) => {
    response.destroy();
    return true;
  };
  for (const { name, manifest } of images) {
    for (const blob of blobsIn(manifest)) {
      const answer = await berth.oci("GET", `/v2/${name}/blobs/${blob}`);
      expect([answer.status, digestOf(await answer.bytes())]).toEqual([200, blob]);
    }
  }
  upstream.instead = undefined;
});
