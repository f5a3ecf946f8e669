import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { programIn } from "./testing.ts";

/** `berth audit` as a process, beside a server that is in use. */

setDefaultTimeout(60_000);

const [id, secret] = ["auditor", "auditor-secret"];
const headers = { authorization: `Basic ${btoa(`${id}:${secret}`)}` };
// Each folder that a test works in is the data directory.
const { folder, run, serve } = programIn("audit", {
  BERTH_DATA: ".",
  BERTH_ROOT_ACCESS_KEY_ID: id,
  BERTH_ROOT_SECRET_ACCESS_KEY: secret,
});

test("verifies and exports while the server runs, names what was changed, and a stop writes the last records", async () => {
  const data = folder();
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
  expect((await server.end()).code).toBe(0);

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
  const data = folder();
  const server = await serve(data, { BERTH_WORKERS: "2" });
  const ask = (number: number) =>
    fetch(new URL(`/v2/app${number}/tags/list`, server.url), { headers: { ...headers, connection: "close" } });
  await Promise.all(Array.from({ length: 40 }, (_, number) => ask(number)));
  expect((await server.end()).code).toBe(0);
  const verified = await run(["audit", "verify", "--json"], data);
  expect(JSON.parse(verified.out)).toMatchObject({ intact: true, records: 40 });
});
