import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRepositoryCommand } from "@aws-sdk/client-ecr";
import { allOperations } from "../src/aws/index.ts";
import { parseRepositoryName, parseTag } from "../src/domain/names.ts";
import { serverScope } from "../src/domain/registry/encryption.ts";
import { permissions } from "../src/oci/permissions.ts";
import { startServer } from "../src/server/listener.ts";
import { exchange, recordingLog } from "../src/server/testing.ts";
import { backUp } from "../src/storage/backup/backup.ts";
import { type BackupFolder, openBackupFolder } from "../src/storage/backup/folder.ts";
import { type Restored, restore } from "../src/storage/backup/restore.ts";
import { type Disk, realDisk } from "../src/storage/blobs/disk.ts";
import { openFilesystemBlobs } from "../src/storage/blobs/filesystem.ts";
import { tapped } from "../src/storage/blobs/test-disk.ts";
import { apiRows } from "./matrix/api-rows.ts";
import { type ApiCall, answerTo } from "./matrix/calls.ts";
import { type DataRequest, dataRows, repository } from "./matrix/rows.ts";
import { account, basic, digestOf, type InProcess, inProcess, keyPair } from "./support/berth.ts";
import { createRandom } from "./support/random.ts";

/** No name, id or digest that a client says becomes a way to another file (S20). */

// The machine may be busy.
setDefaultTimeout(30_000);

const world = mkdtempSync(join(tmpdir(), "berth-traversal-"));
const data = join(world, "deep", "data");
const blobsRoot = join(data, "blobs");
const secret = "the canary sings for nobody";
/** Where ways out of the blob folder may lead. */
const canaries = [join(data, "canary"), join(world, "deep", "canary"), join(world, "canary")];
mkdirSync(data, { recursive: true });
for (const canary of canaries) writeFileSync(canary, secret);

const uuid = "00000000-0000-4000-8000-000000000000";
const hex = "a".repeat(64);
const ways = [
  "..",
  "../canary",
  "../../canary",
  "../../../canary",
  "../../../../canary",
  "..%2f..%2fcanary",
  "%2e%2e%2f%2e%2e%2fcanary",
  "%252e%252e%252fcanary",
  "%25252e%25252e%25252fcanary",
  "%c0%ae%c0%ae%c0%afcanary",
  "%uff0e%uff0e%u2215canary",
  "..;/canary",
  "....//....//canary",
  "./../canary",
  "a/../../canary",
  "a/./b",
  "/",
  "//canary",
  canaries[2] ?? "",
  `file://${canaries[2]}`,
  "..\\..\\canary",
  "..\\../canary",
  "C:\\canary",
  "\\\\host\\share",
  "canary\0",
  "../canary\0.json",
  "\0",
  "canary%00",
  "\u2024\u2024/canary",
  "\u2025/canary",
  "\uff0e\uff0e\uff0fcanary",
  "\u002e\u0301\u002e/canary",
  "..\u2215canary",
  "\u202e../canary",
  "../canary\n",
  "canary\r\nX-Injected: 1",
  `sha256:../../../canary`,
  `sha256:${"../".repeat(21)}a`,
  `sha256:${hex}/../../../canary`,
  `sha256:${hex}\0`,
  `sha256:${hex}\n`,
  `sha256:${hex}.${uuid}`,
  `sha256:${hex.toUpperCase()}`,
  `../sha256:${hex}`,
  `constructor:${hex}`,
  `${uuid}/../../canary`,
  `${uuid}\n`,
  `${uuid}.sealed/../../canary`,
  `${uuid}.sealed.sealed`,
  `../${uuid}`,
  uuid.toUpperCase().replaceAll("0", "A"),
  "__proto__",
  "constructor",
  "~/canary",
  "$HOME/canary",
  "`id`",
  "CON",
  ".",
  "...",
  "-",
  "",
  " ",
  "x".repeat(5000),
  "../".repeat(1500),
  "%2e%2e%2f".repeat(500),
];

const random = createRandom("traversal 1");
const fragments = ["..", ".", "/", "\\", "%2e", "%2f", "%252e", "%5c", "\0", "\n", "\uff0e", "\uff0f", "\u2025"];
const words = ["canary", "sha256:", hex, uuid, "a", "A", "staging", "sha256", ":", "/etc/passwd"];
const someWay = () => Array.from({ length: 1 + random.below(8) }, () => random.pick([...fragments, ...words])).join("");

let berth: InProcess;
/** What the store has asked of the disk. */
const touched = new Set<string>();
let before: string[];

beforeAll(async () => {
  const disk: Disk = tapped(realDisk, ({ path }, run) => {
    touched.add(path);
    return run();
  });
  berth = await inProcess({ data, disk });
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: repository }));
  await berth.pushImage(repository, "v1", "content");
  touched.clear();
  before = treeWithout(blobsRoot);
});
afterAll(async () => {
  await berth.close();
  rmSync(world, { recursive: true });
});

/** Every file, but for those that are kept in `folder`, and the database's, which comes and goes with its own. */
function treeWithout(folder: string): string[] {
  return readdirSync(world, { recursive: true, encoding: "utf8" })
    .map((name) => join(world, name))
    .filter((path) => path !== folder && !path.startsWith(`${folder}/`) && !path.startsWith(join(data, "berth.sqlite")))
    .sort();
}

const ownPath = new RegExp(
  `^${blobsRoot}(?:/staging(?:/[0-9a-f-]{36}(?:\\.sealed)?)?|/sha(?:256|512)(?:/[0-9a-f]{2}(?:/[0-9a-f]{64,128}(?:\\.[0-9a-f-]{36}(?:\\.sealed)?)?)?)?)?$`,
);

/** Nothing was opened, made or changed but what is the store's own. */
function expectNothingTouched(): void {
  expect([...touched].filter((path) => !ownPath.test(path))).toEqual([]);
  expect(treeWithout(blobsRoot)).toEqual(before);
  const strangers = readdirSync(blobsRoot, { recursive: true, encoding: "utf8" })
    .map((name) => join(blobsRoot, name))
    .filter((path) => !ownPath.test(path));
  expect(strangers).toEqual([]);
  for (const canary of canaries) expect(readFileSync(canary, "utf8")).toBe(secret);
}

const root = { accessKeyId: keyPair.accessKeyId, secret: keyPair.secretAccessKey };

interface Told {
  readonly asked: string;
  readonly status: number;
  readonly isUnderstood: boolean;
}

async function ask(request: DataRequest | ApiCall, asked: string): Promise<Told> {
  const answer = await answerTo(berth, request, account, root);
  const text = await answer.text();
  if (text.includes(secret)) throw new Error(`the canary sang for ${asked}`);
  if (answer.headers.has("x-injected")) throw new Error(`a header came in by ${asked}`);
  const isUnderstood = !/UnknownOperation|InvalidAction|Could not find operation/.test(text);
  return { asked, status: answer.status, isUnderstood };
}

/** What a client can say in the path or the query of a route. */
const places = [repository, `sha256:${hex}`, uuid, "v1", "v2", "none", "matrix/none"];
const parameters = ["last", "n", "artifactType", "digest-algorithm", "tag", "digest", "mount", "from"];
const more = [...parameters, "ns", "scope", "service", "account", "X-Berth-Layer-Token"];

/** The path with the value in each of its places: as it is, and so that it comes out as it is. */
function* pathsWith(path: string, value: string): Generator<{ path: string; isExact: boolean }> {
  for (const place of places.filter((some) => path.includes(some))) {
    yield { path: path.replace(place, () => encodeURIComponent(value)), isExact: true };
    yield { path: path.replace(place, () => value.replaceAll(/[\0\r\n ]/g, encodeURIComponent)), isExact: false };
  }
}

describe("the data plane", () => {
  test("has a row for every route that takes a name", () => {
    const covered = new Set(dataRows.map(({ covers }) => covers));
    expect(Object.keys(permissions).filter((kind) => !covered.has(kind))).toEqual(["base", "catalog"]);
  });

  test.each(dataRows.map(({ name, request }) => [name, request as DataRequest] as const))("%s", async (_, request) => {
    const wrong: Told[] = [];
    for (const value of [...ways, ...Array.from({ length: 10 }, someWay)]) {
      for (const { path, isExact } of pathsWith(request.path, value)) {
        const told = await ask({ ...request, path }, `${request.method} ${path}`);
        // A path that means something else to a URL may be a good one, and some of the values are good names.
        const isWay = isExact && value !== "" && !parseTag(value) && !parseRepositoryName(value);
        if (told.status >= 500 || (isWay && told.status < 400)) wrong.push(told);
      }
    }
    for (const parameter of more) {
      for (const value of [random.pick(ways), random.pick(ways), "canary\0", someWay()]) {
        const path = `${request.path}${request.path.includes("?") ? "&" : "?"}${parameter}=${encodeURIComponent(value)}`;
        const told = await ask({ ...request, path }, `${request.method} ${path}`);
        if (told.status >= 500) wrong.push(told);
      }
    }
    expect(wrong).toEqual([]);
    expectNothingTouched();
  });

  test("through a socket, where no client tidies the path first", async () => {
    const { log } = recordingLog();
    const server = startServer({ listen: { host: "127.0.0.1", port: 0 }, ready: async () => {}, log });
    server.serve(berth.surfaces);
    const authorization = `Authorization: ${basic(keyPair.accessKeyId, keyPair.secretAccessKey)}`;
    const wrong: string[] = [];
    const say = async (line: string, host = "registry.test") => {
      const { status, body } = await exchange(server.port, `${line} HTTP/1.1\n Host: ${host}\n ${authorization}`);
      if (status >= 500 || body.includes(secret)) wrong.push(`${line} (${host}): ${status}`);
    };
    const inLine = (value: string) => value.replaceAll(/[\0\r\n ]/g, encodeURIComponent);
    try {
      for (const value of ways) {
        const said = inLine(value);
        await say(`GET /${said}`);
        await say(`GET /v2/${said}/manifests/v1`);
        await say(`GET /v2/${repository}/blobs/${said}`);
        await say(`GET /v2/${repository}/blobs/uploads/${said}`);
        await say(`GET http://registry.test/v2/${said}/tags/list`);
        await say("GET /v2/", `${said.slice(0, 200)}.dkr.ecr.us-east-1.registry.test`);
        await say("GET /v2/", `${account}.dkr.ecr.${said.slice(0, 200)}.registry.test`);
      }
    } finally {
      await server.stop(0);
    }
    expect(wrong).toEqual([]);
    expectNothingTouched();
  });
});

/** The input with the value in place of each of its texts in turn. */
function* inputsWith(input: unknown, value: string): Generator<unknown> {
  if (typeof input === "string") yield value;
  if (typeof input !== "object" || input === null) return;
  for (const [key, member] of Object.entries(input)) {
    for (const changed of inputsWith(member, value)) {
      yield Array.isArray(input) ? input.with(Number(key), changed) : { ...input, [key]: changed };
    }
  }
}

describe("the AWS APIs", async () => {
  const operations = await allOperations();
  const services = [...new Set(operations.map(({ service }) => service))];

  /** As the matrix calls it; what has no row there is called with nothing. */
  function calls(service: string, operation: string): ApiCall[] {
    const own = apiRows.filter(({ covers }) => covers === `${service}:${operation}`);
    if (own.length > 0) return own.map(({ request }) => request as ApiCall);
    if (service === "berth") return [{ kind: "json", service, target: `Berth_V1.${operation}`, input: {} }];
    return [{ kind: "query", service, target: `${operation} 2011-06-15`, input: {} }];
  }

  test.each(services)("%s", async (service) => {
    const wrong: Told[] = [];
    for (const { operation, members } of operations.filter((some) => some.service === service)) {
      for (const call of calls(service, operation)) {
        const sent = (input: unknown) =>
          ask({ ...call, input: input as object }, `${operation} ${JSON.stringify(input)}`);
        const values = [random.pick(ways), random.pick(ways), someWay()];
        const inputs = values.flatMap((value) => [
          ...inputsWith(call.input, value),
          ...members.map((member) => ({ ...call.input, [member]: value })),
        ]);
        for (const input of inputs) {
          const told = await sent(input);
          if (told.status >= 500 || !told.isUnderstood) wrong.push(told);
        }
        // PostgreSQL has no such character, so nothing with it may get that far.
        for (const input of inputsWith(call.input, "canary\0")) {
          const told = await sent(input);
          if (told.status < 400 || told.status >= 500) wrong.push(told);
        }
      }
    }
    expect(wrong).toEqual([]);
    expectNothingTouched();
  });
});

describe("the store", () => {
  test("makes no path of what is no digest, no generation and no upload", async () => {
    const { blobs } = berth.stores;
    const bytes = async function* () {
      yield new TextEncoder().encode("x");
    };
    const digest = digestOf("x");
    const staged = { sizeBytes: 1, digest };
    const whole = async (content: AsyncIterable<unknown>) => {
      for await (const _ of content);
    };
    for (const way of [...ways, ...Array.from({ length: 100 }, someWay)].map((text) => text as never)) {
      // No generation at all is a blob of before there were any, and an id is an id.
      if (way === "" || way === uuid) continue;
      const uses: Record<string, () => Promise<unknown>> = {
        append: () => blobs.append(way, 0, bytes(), { scope: serverScope, algorithm: "sha256" }),
        staged: () => whole(blobs.staged(way, 1)),
        commit: () => blobs.commit(way, digest as never, staged as never, serverScope),
        store: () => blobs.store(way, digest as never, bytes(), serverScope),
        abort: () => blobs.abort(way),
      };
      for (const id of [
        { digest: way, generation: "" as never },
        { digest: digest as never, generation: way },
      ]) {
        uses[`stat ${JSON.stringify(id)}`] = () => blobs.stat(id);
        uses[`read ${JSON.stringify(id)}`] = () => blobs.read(id);
        uses[`bytes ${JSON.stringify(id)}`] = () => whole(blobs.bytes(id));
        uses[`remove ${JSON.stringify(id)}`] = () => blobs.remove(id);
      }
      for (const [name, use] of Object.entries(uses)) {
        const failed = await use().then(
          () => "nothing",
          (error) => error,
        );
        if (!(failed instanceof RangeError)) throw new Error(`${name} of ${JSON.stringify(way)}: ${failed}`);
      }
    }
    expectNothingTouched();
  });
});

describe("a link in the store", () => {
  const target = join(world, "linked");

  test("under a blob's name is not followed", async () => {
    // A blob as long as the file that the link leads to, and one as long as the link.
    for (const content of ["x".repeat(secret.length), "x".repeat(target.length)]) {
      const { digest } = await berth.pushBlob(repository, content);
      writeFileSync(target, secret);
      const folder = join(blobsRoot, "sha256", digest.slice(7, 9));
      const [name = ""] = readdirSync(folder).filter((file) => file.startsWith(digest.slice(7)));
      rmSync(join(folder, name));
      symlinkSync(target, join(folder, name));
      for (const range of ["", "bytes=0-4"]) {
        const read = await berth.oci("GET", `/v2/${repository}/blobs/${digest}`, range ? { headers: { range } } : {});
        expect([read.status, (await read.text()).includes(secret.slice(0, 5))]).toEqual([500, false]);
      }
      expect(readFileSync(target, "utf8")).toBe(secret);
      rmSync(target);
      rmSync(join(folder, name));
    }
  });

  test("under an upload's is not written through", async () => {
    const begun = await berth.oci("POST", `/v2/${repository}/blobs/uploads/`);
    const upload = begun.headers.get("location") ?? "";
    expect((await berth.oci("PATCH", upload, { body: "half" })).status).toBe(202);
    const staging = join(blobsRoot, "staging");
    const [name = ""] = readdirSync(staging);
    writeFileSync(target, "half of it");
    rmSync(join(staging, name));
    symlinkSync(target, join(staging, name));
    expect((await berth.oci("PATCH", upload, { body: " of it" })).status).toBe(500);
    const put = await berth.oci("PUT", `${upload}?digest=${digestOf("half of it")}`);
    expect(put.status).toBe(500);
    expect((await berth.oci("GET", `/v2/${repository}/blobs/${digestOf("half of it")}`)).status).toBe(404);
    expect(readFileSync(target, "utf8")).toBe("half of it");
    rmSync(join(staging, name));
    rmSync(target);
  });
});

describe("a backup", () => {
  const into = join(world, "restored");
  let folder: BackupFolder;
  let snapshot: string;

  beforeAll(async () => {
    folder = await openBackupFolder(join(world, "backup"), { make: true });
    const { metadata, blobs } = berth.stores;
    const options = { keep: 1, version: "test", bytesPerSecond: 0, clock: () => new Date() };
    const source = { databaseUrl: `sqlite:${join(data, "berth.sqlite")}`, data, metadata, blobs };
    ({ snapshot } = await backUp(source, folder, options));
  });
  afterAll(() => folder.close());
  afterEach(() => rmSync(into, { recursive: true, force: true }));

  async function restored(name?: string): Promise<unknown> {
    mkdirSync(into, { recursive: true });
    const blobs = await openFilesystemBlobs({ root: join(into, "blobs") });
    const target = { databaseUrl: `sqlite:${join(into, "berth.sqlite")}`, data: into, blobs };
    return restore(folder, target, { snapshot: name, clock: () => new Date() });
  }

  test("has no snapshot by another name than it has given", async () => {
    const files = treeWithout(into);
    for (const name of [...ways, ...Array.from({ length: 30 }, someWay), "../blobs", ".new", `./${snapshot}`]) {
      await expect(restored(name)).rejects.toThrow("has no snapshot");
    }
    expect(treeWithout(into)).toEqual(files);
    expect(readdirSync(into)).toEqual(["blobs"]);
  });

  test("that somebody has made names no file elsewhere", async () => {
    const files = treeWithout(into);
    const path = join(folder.path, "snapshots", snapshot, "metadata.sqlite");
    const whole = readFileSync(path);
    for (const column of ["digest", "generation"]) {
      for (const way of ["../../../canary", canaries[2] ?? "", `sha256:${hex}/../../../canary`]) {
        const database = new Database(path);
        database.run("pragma foreign_keys = off");
        database.run(`update blob set ${column} = ? where digest = (select min(digest) from blob)`, [way]);
        database.close();
        const outcome = await restored().catch((error) => error);
        // It is no such blob, or it is not among the copies that there are.
        if (!(outcome instanceof RangeError)) expect((outcome as Restored).missing).not.toEqual([]);
        expect(treeWithout(into)).toEqual(files);
        for (const canary of canaries) expect(readFileSync(canary, "utf8")).toBe(secret);
        writeFileSync(path, whole);
        rmSync(into, { recursive: true });
      }
    }
    expect(await restored()).toMatchObject({ snapshot });
  });
});
