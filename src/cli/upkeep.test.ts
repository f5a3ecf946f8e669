import { expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckReport } from "./check.ts";
import { programIn } from "./testing.ts";

/** `berth check`, `berth backup` and `berth restore` as processes, beside a server that is in use. */

setDefaultTimeout(60_000);

const [id, secret] = ["upkeep", "upkeep-secret"];
const headers = { authorization: `Basic ${btoa(`${id}:${secret}`)}` };
// Each folder that a test works in is the data directory.
const { folder, spawn, run, serve } = programIn("upkeep", {
  BERTH_DATA: ".",
  BERTH_CREATE_ON_PUSH: "true",
  BERTH_ROOT_ACCESS_KEY_ID: id,
  BERTH_ROOT_SECRET_ACCESS_KEY: secret,
});
const digestOf = (content: string) => `sha256:${createHash("sha256").update(content).digest("hex")}`;

async function push(url: URL, tag: string, content: string): Promise<void> {
  const blob = async (body: string) => {
    const digest = digestOf(body);
    const answer = await fetch(new URL(`/v2/app/blobs/uploads/?digest=${digest}`, url), {
      method: "POST",
      headers,
      body,
    });
    if (answer.status !== 201) throw new Error(`blob: ${answer.status} ${await answer.text()}`);
    return { digest, size: body.length, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" };
  };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = { schemaVersion: 2, mediaType, config: await blob("{}"), layers: [await blob(content)] };
  const answer = await fetch(new URL(`/v2/app/manifests/${tag}`, url), {
    method: "PUT",
    headers: { ...headers, "content-type": mediaType },
    body: JSON.stringify(manifest),
  });
  if (answer.status !== 201) throw new Error(`manifest: ${answer.status} ${await answer.text()}`);
}

/** The content of the tag's one layer, or the status where something is not there. */
async function pull(url: URL, tag: string): Promise<string | number> {
  const manifest = await fetch(new URL(`/v2/app/manifests/${tag}`, url), { headers });
  if (manifest.status !== 200) return manifest.status;
  const { layers } = (await manifest.json()) as { layers: [{ digest: string }] };
  const blob = await fetch(new URL(`/v2/app/blobs/${layers[0].digest}`, url), { headers });
  return blob.status === 200 ? blob.text() : blob.status;
}

const contentOf = (number: number) => `content ${number} `.repeat(2_000);

test("a backup beside a server in use holds everything that was acknowledged before, and only whole images", async () => {
  const [data, dir] = [folder(), join(folder(), "backup")];
  const server = await serve(data);
  const acknowledged = new Set<number>();
  let isDone = false;
  let next = 0;
  const pushing = Array.from({ length: 2 }, async () => {
    while (!isDone) {
      const number = next++;
      await push(server.url, `v${number}`, contentOf(number));
      acknowledged.add(number);
      await Bun.sleep(30);
    }
  });
  const untilPushed = async (count: number) => {
    while (acknowledged.size < count) await Bun.sleep(5);
  };

  await untilPushed(8);
  // One that is killed half-way spoils nothing.
  const killed = spawn(["backup", dir, "--rate", "0.2"], data);
  while (!(await Array.fromAsync(new Bun.Glob("blobs/sha256/**/*").scan({ cwd: dir })).catch(() => [])).length) {
    await Bun.sleep(10);
  }
  killed.kill("SIGKILL");
  await killed.exited;
  const none = await run(["restore", dir, "--into", join(folder(), "data")], data);
  expect([none.code, none.err]).toEqual([1, `berth: ${dir} has no snapshot: no backup to it was completed\n`]);

  const first = await run(["backup", dir, "--json"], data);
  expect(first).toMatchObject({ err: "", code: 0 });
  expect(JSON.parse(first.out)).toMatchObject({ missing: [] });
  await untilPushed(acknowledged.size + 4);
  const between = [...acknowledged];
  const second = await run(["backup", dir], data);
  expect(second).toMatchObject({ err: "", code: 0 });
  expect(second.out).toMatch(
    /^snapshot \S+Z: \d+ blobs \(.*\), of which \d+ were copied now \(.*\)\n\d+ blobs are sealed: only with the master key .*\n$/,
  );
  // While it is in use, too.
  const checked = await run(["check", "--rehash", "--rate", "0"], data);
  expect(checked.out).toMatch(/^checked .*read and hashed\n(?:.*too young.*\n)?everything is in order\n$/);
  expect(checked.code).toBe(0);
  isDone = true;
  await Promise.all(pushing);
  expect((await server.end()).code).toBe(0);

  const snapshots = readdirSync(join(dir, "snapshots")).sort();
  expect(snapshots).toHaveLength(2);
  const restoreInto = async (...options: string[]) => {
    const into = join(folder(), "data");
    const without = await run(["restore", dir, ...options, "--into", into], data);
    expect(without).toMatchObject({ err: expect.stringContaining("there is no master key"), code: 1 });
    // It is in no backup.
    mkdirSync(join(into, "keys"), { recursive: true });
    copyFileSync(join(data, "keys", "master-key"), join(into, "keys", "master-key"));
    const restored = await run(["restore", dir, ...options, "--into", into], data);
    expect(restored).toMatchObject({ err: "", code: 0 });
    expect(restored.out).toEndWith("everything is in order\n");
    return into;
  };
  await restoreInto("--snapshot", snapshots[0] ?? "");
  const again = await serve(await restoreInto());
  for (let number = 0; number < next; number++) {
    const found = await pull(again.url, `v${number}`);
    if (between.includes(number) || found !== 404) expect(found).toBe(contentOf(number));
  }
  await push(again.url, "later", "later");
  expect(await pull(again.url, "later")).toBe("later");
  expect((await again.end()).code).toBe(0);
  // Whose master key is lost has the rest.
  const lost = await run(["restore", dir, "--into", join(folder(), "data"), "--master-key-lost"], data);
  expect(lost.out).toMatch(/not looked into: \d+ blobs sealed under the server's own key/);
  expect(lost.code).toBe(1);
  const full = await run(["restore", dir], data);
  expect(full.err).toStartWith("berth: a backup is restored into empty places only, and there is a database ");
  expect(full.code).toBe(1);
});

test("a check ends with 0, 1 or 2, and mends beside the server that serves", async () => {
  const data = folder();
  expect(await run(["check"], data)).toMatchObject({ out: "", code: 2 });
  // What harms plain copies, and mends them again, is easier to follow.
  const server = await serve(data, { BERTH_ENCRYPTION_AT_REST: "volume" });
  await push(server.url, "v1", "whole");
  await push(server.url, "v2", "broken");
  const check = async (...options: string[]) => {
    const { out, code } = await run(["check", "--json", ...options], data);
    return { code, report: JSON.parse(out) as CheckReport };
  };
  const hex = digestOf("broken").slice(7);
  const files = join(data, "blobs", "sha256", hex.slice(0, 2));
  const [name = ""] = readdirSync(files).filter((file) => file.startsWith(hex));
  writeFileSync(join(files, name), "BROKEN");
  expect(await check()).toMatchObject({ code: 0, report: { result: "clean", counts: { blobs: 3, images: 2 } } });
  const found = await check("--rehash");
  expect(found).toMatchObject({
    code: 1,
    report: {
      result: "problems",
      counts: { problems: 1, remaining: 1 },
      problems: [
        { kind: "BlobCorrupt", outcome: "quarantined", hurts: [{ repository: "app", tags: ["v2"] }] },
      ] as never,
    },
  });
  expect([await pull(server.url, "v1"), await pull(server.url, "v2")]).toEqual(["whole", 404]);
  const told = await run(["check"], data);
  expect(told.out).toContain(`quarantined the copy of sha256:${hex}, in quarantine since `);
  expect(told.out).toContain("in 000000000000/us-east-1 app, image sha256:");
  expect(told.out).toContain("(v2)\n");

  // The disk came back.
  writeFileSync(join(files, name), "broken");
  expect(await check("--repair")).toMatchObject({ code: 0, report: { result: "repaired" } });
  expect(await pull(server.url, "v2")).toBe("broken");
  truncateSync(join(files, name), 2);
  expect(await pull(server.url, "v2")).toBe(500);
  expect(await check()).toMatchObject({ code: 1 });
  await push(server.url, "v2", "broken");
  expect(await pull(server.url, "v2")).toBe("broken");
  expect(await check("--rehash", "--repair")).toMatchObject({ code: 0, report: { result: "clean" } });
  expect((await server.end()).code).toBe(0);

  const wrong = await run(["check", "--rate", "fast"], data);
  expect([wrong.code, wrong.err]).toEqual([
    2,
    'berth: --rate: given "fast"; allowed: MiB per second, such as 50, or 0 for no limit\n',
  ]);
});

test("a check of a store that is not mounted changes nothing and says so", async () => {
  const data = folder();
  const server = await serve(data);
  for (let number = 0; number < 17; number++) await push(server.url, `v${number}`, `content ${number}`);
  expect((await server.end()).code).toBe(0);
  renameSync(join(data, "blobs"), join(data, "elsewhere"));
  const { err, code } = await run(["check"], data);
  expect(err).toStartWith("berth: the blob store has none of the first blobs that the database names.");
  expect(code).toBe(2);
  rmSync(join(data, "blobs"), { recursive: true });
  renameSync(join(data, "elsewhere"), join(data, "blobs"));
  // The directory given on the command line wins.
  expect((await run(["check", "--data", data], folder())).code).toBe(0);
});

test("garbage is collected beside a server in use: what is needed stays, bytes are freed, and a push brings it back", async () => {
  const data = folder();
  const server = await serve(data);
  const blobs = () => Array.from(new Bun.Glob("blobs/sha256/*/*").scanSync({ cwd: data }));
  await push(server.url, "kept", contentOf(1));
  await push(server.url, "gone", contentOf(2));
  const deleted = await fetch(new URL("/v2/app/manifests/gone", server.url), { method: "HEAD", headers });
  const digest = deleted.headers.get("docker-content-digest");
  const remove = await fetch(new URL(`/v2/app/manifests/${digest}`, server.url), { method: "DELETE", headers });
  expect(remove.status).toBe(202);

  // A day has not passed yet.
  expect(JSON.parse((await run(["gc", "--json"], data)).out)).toMatchObject({ blobs: 0, bytes: 0 });
  const expected = contentOf(2).length;
  const forecast = await run(["gc", "--dry-run", "--grace", "0"], data);
  expect(forecast.out).toContain(digestOf(contentOf(2)));
  expect(forecast.out).toContain("1 blob would go");
  expect(blobs()).toHaveLength(3);
  expect(JSON.parse((await run(["gc", "--dry-run", "--grace", "0", "--json"], data)).out)).toMatchObject({
    blobs: 1,
    bytes: expected,
  });

  const collected = await run(["gc", "--grace", "0", "--strays", "--json"], data);
  const { bytes: freed, ...counts } = JSON.parse(collected.out);
  expect(counts).toMatchObject({ blobs: 1, failures: 0 });
  // With what seals it.
  expect(freed).toBeGreaterThan(expected);
  expect(blobs()).toHaveLength(2);
  expect(await pull(server.url, "kept")).toBe(contentOf(1));
  expect(await pull(server.url, "gone")).toBe(404);
  await push(server.url, "gone", contentOf(2));
  expect(await pull(server.url, "gone")).toBe(contentOf(2));
  expect((await run(["gc"], data)).out).toContain("removed 0 blobs and freed 0 B");

  const refused = await run(["gc", "--grace", "soon"], data);
  expect(refused).toMatchObject({
    code: 1,
    err: 'berth: --grace: given "soon"; allowed: a time, such as 24h or 30m\n',
  });
  expect((await run(["gc"], folder())).err).toContain("there is no database");
  expect((await server.end()).code).toBe(0);
});

test("what is stored as it came is sealed beside the server, and pulled all the while", async () => {
  const data = folder();
  const left = await serve(data, { BERTH_ENCRYPTION_AT_REST: "volume" });
  for (let number = 0; number < 6; number++) await push(left.url, `v${number}`, contentOf(number));
  expect((await left.end()).code).toBe(0);
  const files = () => [...new Bun.Glob("sha256/**/*").scanSync({ cwd: join(data, "blobs") })];
  const isPlain = (file: string) => !file.endsWith(".sealed");
  expect(files().filter(isPlain)).toHaveLength(7);
  const plain = await run(["seal"], data, { BERTH_ENCRYPTION_AT_REST: "volume" });
  expect(plain).toMatchObject({ err: "", code: 0 });
  expect(plain.out).toContain("7 blobs stay plain, because encryption.atRest leaves them to the volume");

  const server = await serve(data);
  expect((await run(["seal", "--dry-run"], data)).out).toMatch(
    /^7 blobs \(.*\) would be sealed, 0 were sealed before;/,
  );
  let isDone = false;
  const pulling = (async () => {
    for (let number = 0; !isDone; number++) {
      expect(await pull(server.url, `v${number % 6}`)).toBe(contentOf(number % 6));
    }
  })();
  const sealed = await run(["seal", "--rate", "1"], data);
  isDone = true;
  await pulling;
  expect(sealed).toMatchObject({ err: "", code: 0 });
  expect(sealed.out).toMatch(/^sealed 7 blobs \(.*\), 0 were sealed before\n.*garbage collection removes them, from /);
  expect(files().filter((file) => !isPlain(file))).toHaveLength(7);
  expect(JSON.parse((await run(["seal", "--json"], data)).out)).toMatchObject({
    blobs: 0,
    sealedBefore: 7,
    damaged: 0,
  });
  for (let number = 0; number < 6; number++) expect(await pull(server.url, `v${number}`)).toBe(contentOf(number));
  expect((await server.end()).code).toBe(0);
});
