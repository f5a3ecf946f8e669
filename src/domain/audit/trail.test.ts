import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { verifyChain } from "./chain.ts";
import type { AuditMetadata } from "./ports.ts";
import { happened, home, recordsIn } from "./testing.ts";
import { AuditUnavailable, createTrail, type TrailParts } from "./trail.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-trail-"));
afterAll(() => rmSync(folder, { recursive: true }));

let databases = 0;
const newPath = () => join(folder, `${databases++}.sqlite`);

/** A trail over a database whose writes can be held up, or fail. */
async function world(options: Partial<TrailParts> = {}) {
  const metadata = await openSqlite({ path: ":memory:" });
  const logged: Record<string, unknown>[] = [];
  const batches: { durable?: boolean }[] = [];
  const state: { held?: Promise<void>; failing: boolean } = { failing: false };
  const slow: AuditMetadata = {
    read: metadata.read,
    async transact(work, how) {
      await state.held;
      if (state.failing) throw new Error("the database is gone");
      batches.push(how ?? {});
      return metadata.transact(work, how);
    },
  };
  const log = { error: (facts: Record<string, unknown>, message: string) => void logged.push({ ...facts, message }) };
  const trail = createTrail({ metadata: slow, home, clock: () => new Date(), log, ...options });
  const records = async () => {
    return (await recordsIn(metadata)).map(({ record }) => JSON.parse(record));
  };
  return { metadata, trail, logged, batches, state, records };
}

const numbered = (number: number) => happened({ operation: `Event${number}` });
const numbers = (records: { eventName: string }[]) => records.map(({ eventName }) => Number(eventName.slice(5)));
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

describe("a trail", () => {
  test("takes down in order, in few batches, a moment later", async () => {
    const { trail, batches, records } = await world();
    for (const number of upTo(200)) expect(trail.note(numbered(number))).toBeUndefined();
    expect(await records()).toEqual([]);
    await Bun.sleep(300);
    expect(numbers(await records())).toEqual(upTo(200));
    expect(batches.length).toBeLessThan(6);
    expect(batches.every(({ durable }) => durable === false)).toBe(true);
    await trail.close();
  });

  test("answers a change when its record is durable, together with what was noted before", async () => {
    const { trail, batches, records } = await world();
    void trail.note(numbered(0));
    await Promise.all([trail.write(numbered(1)), trail.write(numbered(2)), trail.write(numbered(3))]);
    expect(numbers(await records())).toEqual([0, 1, 2, 3]);
    expect(batches).toEqual([{ durable: true }]);
  });

  test("makes requests wait when its queue is full, and loses none", async () => {
    const { trail, state, records } = await world({ queueLimit: 20 });
    const held = Promise.withResolvers<void>();
    state.held = held.promise;
    const waiting = upTo(100).map((number) => trail.note(numbered(number)));
    expect(waiting.slice(0, 20).every((promise) => promise === undefined)).toBe(true);
    expect(waiting.slice(20).every((promise) => promise instanceof Promise)).toBe(true);
    let arrived = 0;
    for (const promise of waiting) void promise?.then(() => arrived++);
    await Bun.sleep(150);
    expect(arrived).toBe(0);
    held.resolve();
    await Promise.all(waiting);
    await trail.flush();
    expect(numbers(await records())).toEqual(upTo(100));
  });

  test("keeps what cannot be written, and writes it when it can", async () => {
    const { trail, state, logged, records } = await world();
    state.failing = true;
    const written = trail.write(numbered(0));
    void trail.note(numbered(1));
    await Bun.sleep(50);
    expect(logged).not.toEqual([]);
    state.failing = false;
    await written;
    await trail.flush();
    expect(numbers(await records())).toEqual([0, 1]);
  });

  test("refuses a request in the end when there is no way to take it down", async () => {
    const { trail, state } = await world({ queueLimit: 2, patienceMs: 60 });
    state.failing = true;
    await expect(trail.write(numbered(0))).rejects.toThrow(AuditUnavailable);
    void trail.note(numbered(1));
    await expect(trail.note(numbered(2))).rejects.toThrow(AuditUnavailable);
    state.failing = false;
    await trail.close();
  });

  test("says how many records are lost when it is closed and cannot write them", async () => {
    const { trail, state, logged } = await world();
    state.failing = true;
    void trail.note(numbered(0));
    void trail.note(numbered(1));
    await trail.close();
    expect(logged.at(-1)).toMatchObject({ lost: 2 });
  });

  test("a record that cannot be made does not keep back the others", async () => {
    const { trail, logged, records } = await world();
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    void trail.note(happened({ operation: "Event0", input: circular }));
    void trail.note(numbered(1));
    await trail.flush();
    expect(numbers(await records())).toEqual([0, 1]);
    expect(logged).toHaveLength(1);
  });

  test("can leave out pulls, and then still takes down those that are refused, pushes and API calls", async () => {
    const { trail, records } = await world({ pulls: false });
    const route = "GET /v2/app/manifests/1";
    void trail.note(happened({ operation: "Event0", route }));
    void trail.note(happened({ operation: "Event1", route, failure: { code: "AccessDenied", message: "" } }));
    void trail.note(happened({ operation: "Event2", route: "PUT /v2/app/manifests/1", readOnly: false }));
    void trail.note(happened({ operation: "Event3" }));
    await trail.flush();
    expect(numbers(await records())).toEqual([1, 2, 3]);
  });

  test("strangers cannot fill it: what is above ten in a second from one address is counted", async () => {
    const { trail, records } = await world();
    const from = (sourceIp: string) =>
      happened({ who: { claimed: undefined }, arrival: { ...happened().arrival, sourceIp } });
    for (const _ of upTo(500)) void trail.note(from("10.0.0.1"));
    for (const _ of upTo(3)) void trail.note(from("10.0.0.2"));
    for (const _ of upTo(500)) void trail.note(happened());
    await trail.close();
    const all = await records();
    const of = (address: string) =>
      all.filter(({ sourceIPAddress: ip, userIdentity }) => ip === address && userIdentity.type === "AWSAccount");
    expect(all).toHaveLength(10 + 1 + 3 + 500);
    expect(of("10.0.0.2")).toHaveLength(3);
    expect(of("10.0.0.1").at(-1)).toMatchObject({
      eventType: "AwsServiceEvent",
      eventName: "RefusedRequestsNotRecorded",
      serviceEventDetails: { count: 490 },
    });
  });

  test("many addresses together cannot fill it either", async () => {
    const { trail, records } = await world();
    for (const number of upTo(5000)) {
      const arrival = { ...happened().arrival, sourceIp: `2001:db8::${number.toString(16)}` };
      void trail.note(happened({ who: { claimed: undefined }, arrival }));
    }
    await trail.close();
    const all = await records();
    expect(all.length).toBeLessThanOrEqual(201);
    const told = all.flatMap(({ serviceEventDetails: details }) => (details ? [details.count] : []));
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(4900);
  });
});

describe("two trails over one database", () => {
  test("make one chain", async () => {
    const path = newPath();
    const log = { error: (facts: Record<string, unknown>) => Promise.reject(facts.error) };
    const opened = [await openSqlite({ path }), await openSqlite({ path }), await openSqlite({ path })];
    const trails = opened.map((metadata) => createTrail({ metadata, home, clock: () => new Date(), log }));
    await Promise.all(
      trails.map(async (trail, index) => {
        for (const number of upTo(100)) {
          void trail.note(numbered(index * 1000 + number));
          if (number % 10 === 0) await trail.write(numbered(index * 1000 + 500 + number));
        }
        await trail.close();
      }),
    );
    const [first] = opened;
    if (!first) throw new Error("not open");
    expect(await verifyChain(first)).toMatchObject({ intact: true, records: 330 });
    const events = await recordsIn(first);
    for (const index of [0, 1, 2]) {
      const own = numbers(events.map(({ record }) => JSON.parse(record))).filter((n) => Math.floor(n / 1000) === index);
      // Each keeps its own order.
      expect(own.filter((n) => n % 1000 < 500).map((n) => n % 1000)).toEqual(upTo(100));
    }
    for (const metadata of opened) await metadata.close();
  });

  test("a process that is killed between batches leaves a whole chain, with every change that it answered", async () => {
    const path = newPath();
    const program = `
      import { openSqlite } from ${JSON.stringify(join(import.meta.dir, "../../storage/metadata/sqlite.ts"))};
      import { createTrail } from ${JSON.stringify(join(import.meta.dir, "trail.ts"))};
      import { happened, home } from ${JSON.stringify(join(import.meta.dir, "testing.ts"))};
      const metadata = await openSqlite({ path: process.env.DATABASE });
      const trail = createTrail({ metadata, home, clock: () => new Date(), log: console });
      for (let number = Number(process.env.FIRST); ; number++) {
        void trail.note(happened({ operation: "Pull" + number }));
        await trail.write(happened({ operation: "Change" + number }));
        console.log(number);
      }`;
    for (let run = 1; run <= 3; run++) {
      const child = Bun.spawn([process.execPath, "-e", program], {
        env: { ...process.env, DATABASE: path, FIRST: String(run * 10_000) },
        stdout: "pipe",
        stderr: "inherit",
      });
      let text = "";
      for await (const chunk of child.stdout) {
        text += new TextDecoder().decode(chunk);
        if (text.split("\n").length > 20) child.kill("SIGKILL");
      }
      await child.exited;
      const answered = text.split("\n").slice(0, -1).map(Number);
      const metadata = await openSqlite({ path });
      expect(await verifyChain(metadata)).toMatchObject({ intact: true });
      expect(answered.length).toBeGreaterThan(10);
      const names = (await recordsIn(metadata)).map(({ record }) => JSON.parse(record).eventName);
      for (const number of answered) {
        expect(names.filter((name) => name === `Change${number}`)).toHaveLength(1);
        expect(names.filter((name) => name === `Pull${number}`)).toHaveLength(1);
      }
      await metadata.close();
    }
  });
});
