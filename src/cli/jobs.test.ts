import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { enqueue, type JobKind, jobKind } from "../domain/jobs/kinds.ts";
import type { JobId } from "../domain/jobs/ports.ts";
import { openMetadata } from "../storage/metadata/index.ts";
import { programIn } from "./testing.ts";

/** `berth jobs` as a process, with and without a server that runs. */

setDefaultTimeout(60_000);

const { folder, run, serve } = programIn("jobs", { BERTH_DATA: "." });
const kind: JobKind<{ n: number }> = jobKind("test.unknown-here");

/** A database with so many dead jobs, one that waits, and one that runs elsewhere. */
async function withJobs(dead: number): Promise<{ data: string; ids: JobId[] }> {
  const data = folder();
  const metadata = await openMetadata(`sqlite:${join(data, "berth.sqlite")}`);
  const now = new Date();
  await metadata.transact(async (nouns) => {
    const claim = { kind: kind.name, worker: "elsewhere:1", now, leaseUntil: new Date(now.getTime() + 1e6) };
    for (let n = 0; n < dead; n++) await enqueue(nouns, kind, { n }, { now, key: `k${n}\u001b[31m` });
    for (const job of await nouns.jobs.claim({ ...claim, limit: dead })) {
      await nouns.jobs.bury(job.claim, { error: `no\nluck ${job.id}`, at: now, until: new Date(now.getTime() + 1e9) });
    }
    await enqueue(nouns, kind, { n: -1 }, { now, key: "runs" });
    await nouns.jobs.claim({ ...claim, limit: 1 });
    await enqueue(nouns, kind, { n: -2 }, { now });
  });
  const found = await metadata.read.jobs.list({ state: "dead" }, { limit: dead });
  await metadata.close();
  return { data, ids: found.map(({ id }) => id) };
}

test("jobs are listed, dead ones with their errors, and nothing that a terminal would obey is shown", async () => {
  const { data, ids } = await withJobs(3);
  const listed = await run(["jobs", "list"], data);
  expect(listed).toMatchObject({ code: 0, err: "" });
  const [head, running, waiting, , ...counts] = listed.out.trimEnd().split("\n");
  expect(head).toMatch(/^ID +KIND +STATE +ATTEMPTS +WHEN +KEY$/);
  expect(running).toMatch(/^\d+ +test.unknown-here +running +1\/8 +by elsewhere:1 +runs$/);
  expect(waiting).toMatch(/^\d+ +test.unknown-here +waiting +0\/8 +\d{4}-\S+Z$/);
  expect(counts).toEqual(["dead  3", "running  1", "waiting  1"].map((each) => `test.unknown-here  ${each}`));

  const dead = await run(["jobs", "dead", "--limit", "2"], data);
  const [first, error] = dead.out.split("\n");
  expect(first).toMatch(new RegExp(`^${ids[0]}  \\S+Z  test.unknown-here k0\\\\u001b\\[31m  1 attempt$`));
  expect(error).toBe(`    no\\u000aluck ${ids[0]}`);
  expect(dead.out).toEndWith("there may be more: see --limit\n");
  expect((await run(["jobs", "dead", "--kind", "none"], data)).out).toBe("no job is dead\n");
  const json = JSON.parse((await run(["jobs", "dead", "--json"], data)).out);
  expect(json.map(({ payload }: { payload: unknown }) => payload)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  const state = await run(["jobs", "list", "--state", "dead", "--json"], data);
  expect(JSON.parse(state.out).jobs.length).toBe(3);
  expect(await run(["jobs", "list", "--state", "ill"], data)).toMatchObject({
    code: 1,
    err: 'berth: --state: given "ill"; allowed: waiting, running, dead, done\n',
  });
  expect((await run(["jobs", "list", "--limit", "0"], data)).code).toBe(1);
});

test("dead jobs are retried and discarded, by number and all, and who names another is told", async () => {
  const { data, ids } = await withJobs(150);
  const [one, two, ...rest] = ids.map(String) as [string, string, ...string[]];
  expect(await run(["jobs", "retry", one], data)).toMatchObject({ code: 0, out: "retried 1 job\n" });
  expect(await run(["jobs", "retry", one, two], data)).toMatchObject({
    code: 1,
    out: "retried 1 job\n",
    err: `berth: ${one} is not dead\n`,
  });
  expect(await run(["jobs", "discard", one], data)).toMatchObject({ code: 0, out: "discarded 1 job\n" });
  expect((await run(["jobs", "discard", "999999", "--json"], data)).out).toBe('{"done":0,"not":[999999]}\n');
  expect((await run(["jobs", "retry", "--all", "--kind", "none"], data)).out).toBe("retried 0 jobs\n");
  expect((await run(["jobs", "retry", "--all"], data)).out).toBe(`retried ${rest.length} jobs\n`);
  expect((await run(["jobs", "dead"], data)).out).toBe("no job is dead\n");
  for (const wrong of [["retry"], ["retry", "x"], ["discard", "--all", "1"], ["discard", "1", "--kind", "k"]]) {
    expect(await run(["jobs", ...wrong], data)).toMatchObject({ code: 1, out: "" });
  }
});

test.each(["1", ...(process.platform === "linux" ? ["2"] : [])])(
  "what is due at the start is done, once, and the metrics say so, with %s workers",
  async (workers) => {
    const data = folder();
    expect((await (await serve(data)).end()).code).toBe(0);
    const database = new Database(join(data, "berth.sqlite"));
    database.run("update job_schedule set next_at = next_at - 9e8");
    database.close();
    const port = await freePort();
    const before = Date.now();
    const server = await serve(data, { BERTH_WORKERS: workers, BERTH_METRICS_LISTEN: `127.0.0.1:${port}` });
    const kinds = ["registry.measure-usage", "registry.sweep-strays"];
    const counted = kinds.map((kind) => `berth_job_seconds_count{kind="${kind}",outcome="done"} 1`);
    for (;;) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      if (counted.every((line) => text.includes(line))) break;
      await Bun.sleep(50);
    }
    const schedules = JSON.parse((await run(["jobs", "schedules", "--json"], data)).out);
    expect(schedules.map(({ kind }: { kind: string }) => kind)).toEqual(kinds);
    for (const { lastAt, nextAt } of schedules) {
      expect(Date.parse(lastAt)).toBeGreaterThanOrEqual(before);
      expect(Date.parse(nextAt)).toBeGreaterThan(Date.now());
    }
    expect((await run(["jobs", "list"], data)).out).toBe("there are no jobs\n");
    expect((await server.end()).code).toBe(0);
  },
);

async function freePort(): Promise<number> {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = server;
  await server.stop(true);
  return port as number;
}

test("a server keeps its schedules over a restart, and shows its queue", async () => {
  const data = folder();
  const first = await serve(data);
  const schedules = async () => JSON.parse((await run(["jobs", "schedules", "--json"], data)).out);
  const before = await schedules();
  const daily = { key: "", everyMs: 86_400_000, payload: {} };
  expect(before).toMatchObject([
    { kind: "registry.measure-usage", ...daily },
    { kind: "registry.sweep-strays", ...daily },
  ]);
  expect((await first.end()).code).toBe(0);
  const second = await serve(data);
  expect(await schedules()).toEqual(before);
  expect((await run(["jobs", "schedules"], data)).out).toMatch(/\nregistry.sweep-strays +1d +never +\S+Z\n$/);
  expect((await run(["jobs", "list"], data)).out).toBe("there are no jobs\n");
  expect((await second.end()).code).toBe(0);
});
