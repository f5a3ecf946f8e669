import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRepositoryCommand, ECRClient } from "@aws-sdk/client-ecr";
import { enqueue } from "../src/domain/jobs/kinds.ts";
import { measureUsageKind } from "../src/jobs/measure-usage.ts";
import { openMetadata } from "../src/storage/metadata/index.ts";
import { runProgram, startServing } from "./support/program.ts";

/** `berth usage` against a real server. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "berth-usage-"));
const cwd = mkdtempSync(join(root, "server-"));
let berth: Awaited<ReturnType<typeof startServing>>;
beforeAll(async () => {
  berth = await startServing(cwd);
  const text = readFileSync(join(cwd, "data", "credentials"), "utf8");
  const [, accessKeyId = "", secretAccessKey = ""] = /= (\S+)\n.*= (\S+)/.exec(text) ?? [];
  const credentials = { accessKeyId, secretAccessKey };
  const ecr = new ECRClient({ region: "us-east-1", endpoint: berth.url, credentials });
  await ecr.send(new CreateRepositoryCommand({ repositoryName: "team/app" }));
});
afterAll(async () => {
  await berth.stop();
  rmSync(root, { recursive: true });
});

const usage = (...args: string[]) =>
  runProgram("berth", ["usage", ...args], { cwd, env: { HOME: root, BERTH_ENDPOINT: berth.url } });

test("usage is shown for people and as JSON, once it was measured", async () => {
  expect((await usage()).out).toBe("nothing was measured yet; ask about one repository\n");
  const one = await usage("team/app");
  expect(one).toMatchObject({ err: "", code: 0 });
  expect(one.out).toStartWith("team/app\n  images      0 (0 untagged, 0 archived)\n  layers      0, 0 B\n");
  expect(one.out).toContain("\ncounted 20");
  expect(JSON.parse((await usage("team/app", "--json")).out)).toMatchObject({ accuracy: "EXACT" });
  expect(await usage("team/gone")).toMatchObject({ code: 1, err: expect.stringContaining("team/gone") });
  expect(await usage("--limit", "0")).toMatchObject({ code: 1, err: expect.stringContaining("--limit") });

  const metadata = await openMetadata(`sqlite:${join(cwd, "data", "berth.sqlite")}`);
  await metadata.transact((nouns) => enqueue(nouns, measureUsageKind, {}, { key: "", now: new Date() }));
  while (!(await metadata.read.usage.newest())) await Bun.sleep(50);
  await metadata.close();

  const { out } = await usage();
  expect(out).toStartWith(
    "REPOSITORY  IMAGES  BYTES  UNIQUE  SHARED  ARCHIVED\nteam/app         0    0 B     0 B     0 B       0 B\n",
  );
  expect(out).toContain("\n1 repository, 0 images\n0 B of layers, each once (0 B if none were shared)\n");
  expect(JSON.parse((await usage("--json")).out)).toMatchObject({
    registry: { repositoryCount: 1 },
    repositories: [{ repositoryName: "team/app" }],
  });
  const history = (await usage("team/app", "--history")).out;
  expect(history).toMatch(/^DAY +IMAGES +BYTES +UNIQUE +SHARED +ARCHIVED\n20\d\d-\d\d-\d\d +0 +0 B +0 B +0 B +0 B\n$/);
  expect(JSON.parse((await usage("--history", "--json")).out).days).toMatchObject([{ repositoryCount: 1 }]);
});
