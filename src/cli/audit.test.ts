import { Database } from "bun:sqlite";
import { afterAll, afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** `berth audit` as a process, beside a server that is in use. */

setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "berth-audit-cli-"));
const program = join(import.meta.dir, "main.ts");
const started: Bun.Subprocess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(root, { recursive: true }));

const key = "auditor:auditor-secret";
const headers = { authorization: `Basic ${btoa(key)}` };

function spawn(args: string[], data: string, env: Record<string, string> = {}) {
  const [id = "", secret = ""] = key.split(":");
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd: root,
    env: {
      PATH: "/usr/bin:/bin",
      BERTH_DATA: data,
      BERTH_LISTEN: "127.0.0.1:0",
      BERTH_METRICS_LISTEN: "127.0.0.1:0",
      BERTH_ROOT_ACCESS_KEY_ID: id,
      BERTH_ROOT_SECRET_ACCESS_KEY: secret,
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  started.push(child);
  return child;
}

async function run(args: string[], data: string) {
  const child = spawn(args, data);
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { out, err, code: await child.exited };
}

async function serve(data: string, env?: Record<string, string>) {
  const child = spawn(["serve"], data, env);
  const { promise, resolve, reject } = Promise.withResolvers<URL>();
  void (async () => {
    let said = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      said += chunk;
      const [, url] = /"url":"([^"]+)"/.exec(said) ?? [];
      if (url) resolve(new URL(url));
    }
    reject(new Error(`it ended: ${said}`));
  })();
  return { url: await promise, child };
}

test("verifies and exports while the server runs, names what was changed, and a stop writes the last records", async () => {
  const data = mkdtempSync(join(root, "data-"));
  const server = await serve(data);
  for (let number = 0; number < 5; number++)
    await fetch(new URL(`/v2/app${number}/tags/list`, server.url), { headers });
  await Bun.sleep(300);
  const beside = await run(["audit", "verify"], data);
  expect(beside).toMatchObject({ code: 0, err: "" });
  expect(beside.out).toMatch(/^5 audit records, none changed, removed or put in\nthe end to note: 5:[0-9a-f]{64}\n$/);
  const noted = /5:[0-9a-f]{64}/.exec(beside.out)?.[0] ?? "";

  // The last one is in the queue when the signal comes.
  await fetch(new URL("/v2/last/tags/list", server.url), { headers });
  server.child.kill("SIGTERM");
  expect(await server.child.exited).toBe(0);

  const exported = await run(["audit", "export", "--since", "2020-01-01"], data);
  const lines = exported.out.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).requestParameters.repositoryName)).toEqual([
    "app0",
    "app1",
    "app2",
    "app3",
    "app4",
    "last",
  ]);
  expect((await run(["audit", "export", "--until", "2020-01-01"], data)).out).toBe("");
  expect(await run(["audit", "export", "--since", "yesterday"], data)).toMatchObject({ code: 1, out: "" });

  const later = await run(["audit", "verify", "--noted", noted, "--json"], data);
  expect(JSON.parse(later.out)).toMatchObject({ intact: true, records: 6, removed: 0 });
  const database = new Database(join(data, "berth.sqlite"));
  const { packed } = database
    .query("select packed from audit_pack where first_sequence <= 4 and last_sequence >= 4")
    .get() as { packed: Uint8Array };
  const text = Bun.zstdDecompressSync(packed).toString();
  database.run("update audit_pack set packed = ? where first_sequence <= 4 and last_sequence >= 4", [
    Bun.zstdCompressSync(text.replaceAll("app3", "app9")),
  ]);
  database.close();
  const changed = await run(["audit", "verify"], data);
  expect(changed).toMatchObject({ code: 1, err: "" });
  expect(changed.out).toMatch(/^record 4: the record is not what was written/);
  expect(await run(["audit", "verify", "--noted", "nonsense"], data)).toMatchObject({ code: 2, out: "" });
});

test.if(process.platform === "linux")("several workers write one chain", async () => {
  const data = mkdtempSync(join(root, "data-"));
  const server = await serve(data, { BERTH_WORKERS: "2" });
  const ask = (number: number) =>
    fetch(new URL(`/v2/app${number}/tags/list`, server.url), { headers: { ...headers, connection: "close" } });
  await Promise.all(Array.from({ length: 40 }, (_, number) => ask(number)));
  server.child.kill("SIGTERM");
  expect(await server.child.exited).toBe(0);
  const verified = await run(["audit", "verify", "--json"], data);
  expect(JSON.parse(verified.out)).toMatchObject({ intact: true, records: 40 });
});
