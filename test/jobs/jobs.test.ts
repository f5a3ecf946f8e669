import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enqueue } from "../../src/domain/jobs/kinds.ts";
import { type AllMetadata, openMetadata } from "../../src/storage/metadata/index.ts";
import { createRandom } from "../support/random.ts";
import { counting, registry } from "./worker.ts";

/** Several processes over one SQLite file: as many as like to, killed whenever it pleases. */

setDefaultTimeout(60_000);

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const jobs = 1_000;

async function setUp(leaseMs: number) {
  const folder = mkdtempSync(join(tmpdir(), "berth-jobs-"));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  const url = `sqlite:${join(folder, "berth.sqlite")}`;
  const notes = join(folder, "notes");
  writeFileSync(notes, "");
  const metadata = await openMetadata(url);
  cleanUps.push(() => metadata.close());
  const now = new Date();
  await metadata.transact(async (nouns) => {
    for (let number = 0; number < jobs; number++) await enqueue(nouns, counting, number, { now, key: String(number) });
  });
  function start() {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "worker.ts"), url, notes, String(leaseMs)], {
      stdout: "ignore",
      stderr: "inherit",
    });
    cleanUps.push(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    return child;
  }
  const begun = () => readFileSync(notes, "utf8").split("\n").slice(0, -1).map(Number);
  return { metadata, start, begun };
}

async function left({ read }: AllMetadata): Promise<number> {
  return (await read.jobs.counts()).reduce((sum, { jobs }) => sum + jobs, 0);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await Bun.sleep(20);
}

/** How often the end of each job has been counted. */
async function ends({ read }: AllMetadata): Promise<Set<string | undefined>> {
  const counts = new Set<string | undefined>();
  for (let number = 0; number < jobs; number++) counts.add(await read.settings.get(registry, `job ${number}`));
  return counts;
}

test("four processes do a thousand jobs, each of them once", async () => {
  const { metadata, start, begun } = await setUp(60_000);
  const children = Array.from({ length: 4 }, start);
  await until(async () => (await left(metadata)) === 0);
  for (const child of children) child.kill("SIGTERM");
  for (const child of children) expect(await child.exited).toBe(0);
  expect(begun().sort((a, b) => a - b)).toEqual(Array.from({ length: jobs }, (_, number) => number));
  expect(await ends(metadata)).toEqual(new Set(["1"]));
});

test("processes that are killed and stopped on the way lose no job, and what a job did with its end is done once", async () => {
  const { metadata, start, begun } = await setUp(1_000);
  const random = createRandom("jobs");
  const children = Array.from({ length: 3 }, start);
  let kills = 0;
  for (let ended = 0; ended < 10; ended++) {
    const before = begun().length;
    // Not before it has begun something more: a process that is killed as it starts shows nothing.
    await until(
      async () => begun().length >= Math.min(before + random.below(60), jobs) || (await left(metadata)) === 0,
    );
    const at = random.below(children.length);
    const isKilled = random.below(3) > 0;
    const child = children[at];
    child?.kill(isKilled ? "SIGKILL" : "SIGTERM");
    await child?.exited;
    if (isKilled) kills++;
    children[at] = start();
  }
  await until(async () => (await left(metadata)) === 0);
  for (const child of children) child.kill("SIGTERM");
  for (const child of children) expect(await child.exited).toBe(0);
  expect(new Set(begun()).size).toBe(jobs);
  expect(kills).toBeGreaterThan(2);
  expect(await ends(metadata)).toEqual(new Set(["1"]));
});
