import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enqueue } from "../domain/jobs/kinds.ts";
import type { AccountId, Digest, Region, RepositoryName } from "../domain/names.ts";
import type { Generation } from "../domain/registry/ports.ts";
import { everything } from "../domain/registry/usage-count.ts";
import { type AllMetadata, openMetadata } from "../storage/metadata/index.ts";
import { measureUsageHandler, measureUsageKind } from "./measure-usage.ts";
import { type JobOutcome, startRunner } from "./runner.ts";

// What was lost waits for some seconds before it is tried again.
setDefaultTimeout(60_000);

const clock = () => new Date();
const encryption = { type: "AES256" } as const;
const links = 2_500;

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A repository with more links than a page has, in a file that several processes may open. */
async function setUp() {
  const folder = await mkdtemp(join(tmpdir(), "berth-measure-"));
  cleanUps.push(() => rm(folder, { recursive: true }));
  const open = async () => {
    const metadata = await openMetadata(`sqlite:${join(folder, "berth.sqlite")}`);
    cleanUps.push(() => metadata.close());
    return metadata;
  };
  const metadata = await open();
  await metadata.transact(async (nouns) => {
    const repository = await nouns.repositories.create(
      {
        registry: { account: "000000000001" as AccountId, region: "us-east-1" as Region },
        name: "app" as RepositoryName,
        createdAt: clock(),
        encryption,
        tagMutability: "MUTABLE",
        exclusionFilters: [],
        scanOnPush: false,
      },
      new Map(),
    );
    for (let number = 0; number < links; number++) {
      const digest = `sha256:${number.toString(16).padStart(64, "0")}` as Digest;
      const target = { id: repository?.id ?? 0, encryption };
      await nouns.layers.link(target, { digest, generation: "g" as Generation, sizeBytes: 1 }, clock());
    }
    await enqueue(nouns, measureUsageKind, {}, { key: "", now: clock() });
  });
  const start = (metadata: AllMetadata, worker: string, leaseMs: number) => {
    const outcomes: JobOutcome[] = [];
    const log = { info() {}, warn() {}, error() {} };
    const runner = startRunner({
      metadata,
      handlers: [measureUsageHandler({ metadata, clock, retentionMs: 0 })],
      worker,
      clock,
      log,
      pollMs: 20,
      leaseMs,
      random: () => 0,
      ended: ({ outcome }) => void outcomes.push(outcome),
    });
    cleanUps.push(() => runner.stop(0));
    return { runner, outcomes };
  };
  return { metadata, open, start };
}

/** As `metadata`, with something that happens before each page of links. */
function before(metadata: AllMetadata, happens: (page: number) => Promise<void>): AllMetadata {
  let pages = 0;
  const usage = {
    ...metadata.read.usage,
    async links(page: Parameters<AllMetadata["read"]["usage"]["links"]>[0]) {
      await happens(++pages);
      return metadata.read.usage.links(page);
    },
  };
  return { ...metadata, read: { ...metadata.read, usage } };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("it does not come to hold");
    await Bun.sleep(10);
  }
}

async function waitingBytes({ read }: AllMetadata): Promise<number | undefined> {
  const run = await read.usage.newest();
  return run && (await read.usage.entry(run.id, everything))?.waitingBytes;
}

test("a measurement that a stop cut short goes on from where it had come to", async () => {
  const { metadata, start } = await setUp();
  const stalled = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const first = start(
    before(metadata, async (page) => {
      if (page < 2) return;
      reached.resolve();
      await stalled.promise;
    }),
    "a",
    60_000,
  );
  await reached.promise;
  const stopping = first.runner.stop();
  stalled.resolve();
  await stopping;
  expect(first.outcomes).toEqual(["released"]);
  expect(await waitingBytes(metadata)).toBeUndefined();
  start(metadata, "b", 60_000);
  await until(async () => (await waitingBytes(metadata)) !== undefined);
  expect(await waitingBytes(metadata)).toBe(links);
});

test("of two processes, the one that slept and lost its lease counts for nothing", async () => {
  const { metadata, open, start } = await setUp();
  const asleep = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  let isAsleep = false;
  const sleepy: AllMetadata = {
    ...before(metadata, async (page) => {
      if (page < 2) return;
      isAsleep = true;
      reached.resolve();
      await asleep.promise;
    }),
    // Its lease is not extended either.
    transact: async (work, options) => {
      if (isAsleep) await asleep.promise;
      return metadata.transact(work, options);
    },
  };
  const first = start(sleepy, "a", 200);
  await reached.promise;
  const other = await open();
  const second = start(other, "b", 60_000);
  await until(async () => (await waitingBytes(metadata)) !== undefined);
  await until(() => second.outcomes.includes("done"));
  isAsleep = false;
  asleep.resolve();
  await until(() => first.outcomes.length > 0);
  expect(first.outcomes).toEqual(["lost"]);
  expect(await waitingBytes(metadata)).toBe(links);
  expect(await metadata.read.jobs.counts()).toEqual([]);
});
