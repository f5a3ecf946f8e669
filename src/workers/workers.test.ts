import { afterEach, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "../server/log.ts";
import { startWorkers, WorkerFailed, type Workers } from "./workers.ts";

/** Small programs as workers: they do what the real ones do only when something is wrong. */

const running: Workers[] = [];
afterEach(async () => {
  for (const workers of running.splice(0)) await workers.stop(0);
});

function start(script: string | ((worker: number) => string), count = 2) {
  const lines: Record<string, unknown>[] = [];
  const calls: string[] = [];
  const remembered: unknown[] = [];
  const text = (worker: number) => (typeof script === "string" ? script : script(worker));
  const workers = startWorkers({
    count,
    command: (worker) => [process.execPath, "-e", text(worker)],
    port: { hold: () => calls.push("hold"), release: () => calls.push("release") },
    remember: (counted) => remembered.push(counted),
    log: createLog({ level: "info", format: "json", write: (line) => lines.push(JSON.parse(line)) }),
  });
  running.push(workers);
  const said = (msg: string) => lines.filter((line) => line.msg === msg);
  return { workers, lines, calls, remembered, said };
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 8000) throw new Error(`waited in vain until ${condition}`);
    await Bun.sleep(5);
  }
}

const listens = `process.on("message", ({ kind }) => {
  if (kind === "begin") process.send({ kind: "listening" });
  if (kind === "stop") process.exit(0);
});`;

test("the first that cannot begin says why, and the others are stopped", async () => {
  const cannot = `process.on("message", () => process.send({ kind: "failed", reason: "the disk is full" }));`;
  const { workers, lines } = start((worker) => (worker === 1 ? listens : cannot), 3);
  const failure = workers.begin({});
  await expect(failure).rejects.toThrow(new WorkerFailed("the disk is full"));
  await workers.stop(1000);
  expect(lines.map(({ msg }) => msg)).toEqual(lines.map(() => "a worker listens"));
});

test("one that dies at its start without a word is not tried again", async () => {
  const { workers, calls } = start("process.exit(3)", 1);
  await Bun.sleep(50);
  await expect(workers.begin({})).rejects.toThrow("worker 1 ended with code 3 before it listened");
  expect(calls).toEqual([]);
});

test("one that dies is started again with the same task; one that keeps dying, with pauses that grow", async () => {
  const dies = `process.on("message", ({ kind, task }) => {
    if (kind === "begin") process.send({ kind: "listening" });
    if (kind === "begin" && task.dies) setTimeout(() => process.kill(process.pid, "SIGKILL"), 20);
  });`;
  const { workers, said, calls } = start(dies, 1);
  await workers.begin({ dies: true });
  await until(() => said("a worker listens").length === 4);
  const deaths = said("a worker ended, and is started again");
  expect(deaths.slice(0, 3).map(({ pauseMs, how }) => [pauseMs, how])).toEqual([
    [100, "signal SIGKILL"],
    [200, "signal SIGKILL"],
    [400, "signal SIGKILL"],
  ]);
  // Nobody else listened meanwhile, so the port was held.
  expect(calls.slice(0, 5)).toEqual(["release", "hold", "release", "hold", "release"]);
});

test("the port is not held while another listens", async () => {
  const { workers, said, calls } = start(listens);
  await workers.begin({});
  process.kill(Number(said("a worker listens")[0]?.pid), "SIGKILL");
  await until(() => said("a worker listens").length === 3);
  expect(calls).not.toContain("hold");
});

test("one that comes back and cannot begin is reported and tried again", async () => {
  const script = `process.on("message", async ({ kind, task }) => {
    if (kind !== "begin") return;
    if (await Bun.file(task.marker).exists()) return process.send({ kind: "failed", reason: "the key is gone" });
    await Bun.write(task.marker, "");
    process.send({ kind: "listening" });
    setTimeout(() => process.exit(9), 10);
  });`;
  const marker = join(tmpdir(), `berth-worker-${process.pid}`);
  const { workers, said } = start(script, 1);
  await workers.begin({ marker });
  await until(() => said("a worker cannot start, and is tried again").length === 2);
  expect(said("a worker ended, and is started again")).toMatchObject([{ worker: 1, how: "code 9" }]);
  expect(said("a worker cannot start, and is tried again")[0]).toMatchObject({ worker: 1, reason: "the key is gone" });
  rmSync(marker);
});

test("one that does not answer is taken at its last word, and its last word outlives it", async () => {
  const counts = `let asked = 0;
  process.on("message", ({ kind, id }) => {
    if (kind === "begin") process.send({ kind: "listening" });
    if (kind === "count" && ++asked === 1) process.send({ kind: "counted", id, counted: [asked] });
    if (kind === "stop") process.exit(0);
  });`;
  const { workers, said, remembered } = start(counts, 1);
  await workers.begin({});
  expect(await workers.count(5000)).toEqual([{ worker: 1, counted: [1] }]);
  expect(await workers.count(20)).toEqual([{ worker: 1, counted: [1] }]);
  process.kill(Number(said("a worker listens")[0]?.pid), "SIGKILL");
  await until(() => remembered.length > 0);
  expect(remembered).toEqual([[1]]);
});

test("one that does not stop in time is killed", async () => {
  const { workers, said } = start(`${listens.replace("process.exit(0)", "")}; setInterval(() => {}, 1000);`, 1);
  await workers.begin({});
  // Four seconds are for closing what is open; this test has less to wait for.
  await workers.stop(-3_800);
  expect(said("workers did not end in time and were killed")).toMatchObject([{ workers: [1] }]);
});
