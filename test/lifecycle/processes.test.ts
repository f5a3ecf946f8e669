import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRepositoryCommand, PutLifecyclePolicyCommand } from "@aws-sdk/client-ecr";
import { enqueue } from "../../src/domain/jobs/kinds.ts";
import type { RepositoryName } from "../../src/domain/names.ts";
import { collectGarbage } from "../../src/domain/registry/collection.ts";
import { type EvaluationJob, evaluateLifecycle } from "../../src/domain/registry/lifecycle-jobs.ts";
import { account, type InProcess, inProcess, region } from "../support/berth.ts";
import { createRandom } from "../support/random.ts";

/** Several processes evaluate over one database, and are killed, while a registry over it is pushed to and pulled from. */

setDefaultTimeout(120_000);

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const repositoryName = "app";
const old = Array.from({ length: 120 }, (_, index) => `old-${index}`);
/** Long enough for a machine that does much else. */
const leaseMs = 2_000;
const shared = "a layer that every second image has";

async function setUp() {
  const data = mkdtempSync(join(tmpdir(), "berth-lifecycle-"));
  cleanUps.push(() => rmSync(data, { recursive: true }));
  const berth = await inProcess({ data });
  cleanUps.push(() => berth.close());
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  function start(leaseMs: number) {
    const url = `sqlite:${join(data, "berth.sqlite")}`;
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "worker.ts"), url, String(leaseMs)], {
      stdout: "ignore",
      stderr: "inherit",
    });
    cleanUps.push(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    return child;
  }
  return { berth, start };
}

const contentOf = (tag: string) => (Number(tag.split("-")[1]) % 2 === 0 ? shared : `content of ${tag}`);

/** The config makes an image of its own of those that share their layer. */
async function push(berth: InProcess, tag: string): Promise<string> {
  // In their order, and by the clock of the other processes.
  berth.now = new Date(Math.max(Date.now(), berth.now.getTime() + 1));
  const { digest } = await berth.pushImage(repositoryName, tag, contentOf(tag), { annotations: { tag } });
  return digest;
}

const status = async (berth: InProcess, tag: string) =>
  (await berth.oci("GET", `/v2/${repositoryName}/manifests/${tag}`)).status;

/** Asks for an evaluation as a schedule would. */
function ask(berth: InProcess): Promise<unknown> {
  const job: EvaluationJob = { id: 1, account, region, name: repositoryName as RepositoryName };
  const { metadata } = berth.stores;
  return metadata.transact((nouns) => enqueue(nouns, evaluateLifecycle, job, { key: "1", now: new Date() }));
}

async function isBusy({ stores }: InProcess): Promise<boolean> {
  const counts = await stores.metadata.read.jobs.counts();
  if (counts.some(({ state }) => state === "dead")) throw new Error("the evaluation has failed for good");
  return counts.length > 0;
}

async function digestsIn({ stores }: InProcess): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const { digest } of stores.blobs.list()) found.add(digest);
  return found;
}

/** As the disk has them: a sealed copy is longer than its content. */
function bytesOnDisk({ stores }: InProcess): number {
  const files = readdirSync(stores.root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

test("two processes evaluate at once and are killed, while images come and are pulled", async () => {
  const { berth, start } = await setUp();
  const random = createRandom("lifecycle processes");
  const pushed = new Map<string, string>();
  for (const tag of old) pushed.set(tag, await push(berth, tag));
  const rules = [
    {
      rulePriority: 1,
      description: "the newest of the old stay, and what has another name is nobody's affair",
      selection: {
        tagStatus: "tagged",
        tagPrefixList: ["old-"],
        countType: "imageCountMoreThan",
        countNumber: 20,
      },
      action: { type: "expire" },
    },
  ];
  const lifecyclePolicyText = JSON.stringify({ rules });
  await berth.ecr().send(new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText }));
  await ask(berth);

  const children = [start(leaseMs), start(leaseMs)];
  const fresh: string[] = [];
  let kills = 0;
  for (let round = 0; round < 150 && (await isBusy(berth)); round++) {
    const tag = `new-${round}`;
    await push(berth, tag);
    fresh.push(tag);
    // Who only writes keeps the others from the one file: a client waits for its network now and then.
    await Bun.sleep(10);
    expect(await status(berth, tag)).toBe(200);
    expect(await status(berth, "old-119")).toBe(200);
    if (kills < 2 && random.chance(0.15)) {
      const at = random.below(children.length);
      children[at]?.kill("SIGKILL");
      await children[at]?.exited;
      kills++;
      children[at] = start(leaseMs);
    }
  }
  while (await isBusy(berth)) await Bun.sleep(20);
  for (const child of children) child.kill("SIGTERM");
  // Whoever was about to start heard it too early to mind it.
  for (const child of children) expect([0, 143]).toContain(await child.exited);

  const kept = old.slice(-20);
  for (const tag of [...fresh, ...kept]) expect(await status(berth, tag)).toBe(200);
  for (const tag of old.slice(0, -20)) expect(await status(berth, tag)).toBe(404);
  // Each image was removed once, as the history of its tag has it, and each removal is on record.
  const { read } = berth.stores.metadata;
  for (const tag of old.slice(0, -20)) {
    const moves = await read.tags.history(1, tag as never, 10);
    expect(moves.map(({ to }) => to)).toEqual([undefined, pushed.get(tag) as never]);
  }
  const recorded = (await berth.records())
    .filter(({ eventName }) => eventName === "PolicyExecutionEvent")
    .flatMap(({ serviceEventDetails }) => serviceEventDetails.lifecycleEventImageActions)
    .map(({ lifecycleEventImage }) => lifecycleEventImage.digest);
  expect(new Set(recorded)).toEqual(new Set(old.slice(0, -20).map((tag) => pushed.get(tag) ?? "")));

  // What goes is what no image needs any more, to the byte.
  const before = bytesOnDisk(berth);
  const needed = new Set<string>();
  for (const tag of [...fresh, ...kept]) {
    const manifest = (await (await berth.oci("GET", `/v2/${repositoryName}/manifests/${tag}`)).json()) as {
      config: { digest: string };
      layers: { digest: string }[];
    };
    for (const { digest } of [manifest.config, ...manifest.layers]) needed.add(digest);
  }
  const clock = () => new Date(Date.now() + 60_000);
  const { bytes } = await collectGarbage({ ...berth.stores, clock }, { graceMs: 0 });
  expect(await digestsIn(berth)).toEqual(needed);
  const freed = before - bytesOnDisk(berth);
  expect(freed).toBeGreaterThan(0);
  expect(bytes).toBe(freed);
});
