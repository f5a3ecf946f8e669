import { afterAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRepositoryCommand } from "@aws-sdk/client-ecr";
import { check, type Problem } from "../src/domain/registry/check.ts";
import { serverScope } from "../src/domain/registry/encryption.ts";
import { backUp } from "../src/storage/backup/backup.ts";
import { openBackupFolder } from "../src/storage/backup/folder.ts";
import { restore } from "../src/storage/backup/restore.ts";
import { openFilesystemBlobs } from "../src/storage/blobs/filesystem.ts";
import { digestOf, type InProcess, inProcess } from "./support/berth.ts";
import { watched } from "./support/watched.ts";

/** Bytes that come from copies, of a backup or of the store itself, are verified as those of clients are (S15). */

// Every blob is synced, on a machine that may be busy.
setDefaultTimeout(30_000);

const root = mkdtempSync(join(tmpdir(), "berth-copies-"));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
function newFolder(name: string): string {
  const path = join(root, `${name}-${folders++}`);
  mkdirSync(path);
  return path;
}

const right = "the right content of a layer";
const digest = digestOf(right);
const blobUrl = `/v2/app/blobs/${digest}`;

/** Every copy of the content, with the generation behind the digest. */
function copiesIn(blobs: string): string[] {
  const folder = join(blobs, "sha256", digest.slice(7, 9));
  return readdirSync(folder)
    .filter((name) => name.startsWith(digest.slice(7)))
    .map((name) => join(folder, name))
    .sort();
}

type AtRest = "sealed" | "volume";
const waysAtRest: readonly AtRest[] = ["sealed", "volume"];

async function withImage(data: string, atRest: AtRest): Promise<InProcess> {
  const berth = await inProcess({ data, atRest });
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
  await berth.pushImage("app", "v1", right);
  return berth;
}

/** What can have become of a file. */
const harms: Record<string, (file: string) => void> = {
  "other bytes": (file) => writeFileSync(file, right.toUpperCase()),
  "one byte another": (file) => writeFileSync(file, `${right.slice(0, -1)}R`),
  "fewer bytes": (file) => writeFileSync(file, right.slice(1)),
  "more bytes": (file) => writeFileSync(file, `${right}!`),
  nothing: (file) => writeFileSync(file, ""),
  "the bytes of another blob": (file) => writeFileSync(file, "{}"),
  "a link to another file": (file) => {
    const target = join(newFolder("elsewhere"), "file");
    writeFileSync(target, right.toUpperCase());
    rmSync(file);
    symlinkSync(target, file);
  },
};

async function checked(berth: InProcess, options: { rehash?: boolean; repair?: boolean }): Promise<string[]> {
  const problems: Problem[] = [];
  await check(
    { ...berth.stores, clock: () => new Date() },
    { rehash: false, repair: false, bytesPerSecond: 0, ...options, found: (problem) => problems.push(problem) },
  );
  return problems.map(({ kind, outcome }) => `${kind} ${outcome}`);
}

describe.each(Object.entries(harms))("a backup whose copy has %s", (_, harm) => {
  test.each(waysAtRest)("gives it to nobody; a push mends what is restored (%s)", async (atRest) => {
    const [data, target] = [newFolder("data"), newFolder("target")];
    const berth = await withImage(data, atRest);
    const folder = await openBackupFolder(newFolder("backup"), { make: true });
    const { metadata, blobs } = berth.stores;
    const options = { keep: 1, version: "test", bytesPerSecond: 0, clock: () => new Date() };
    await backUp({ databaseUrl: `sqlite:${join(data, "berth.sqlite")}`, data, metadata, blobs }, folder, options);
    await berth.close();

    const [copy = ""] = copiesIn(join(folder.path, "blobs"));
    harm(copy);
    const store = await openFilesystemBlobs({ root: join(target, "blobs") });
    const into = { databaseUrl: `sqlite:${join(target, "berth.sqlite")}`, data: target, blobs: store };
    const restored = await restore(folder, into, { clock: () => new Date() });
    expect(restored.missing.map((missing): string => missing.digest)).toEqual([digest]);
    await folder.close();

    const again = await inProcess({ data: target, atRest });
    const { seen } = await watched({ berths: [again], repositories: ["app"], digest, right }, async (look) => {
      await look();
      const mount = await again.oci("POST", `/v2/app/blobs/uploads/?mount=${digest}`);
      expect(mount.status).toBe(202);
      await checked(again, { rehash: true, repair: true });
      await look();
    });
    expect(seen).toEqual([]);
    await again.pushImage("app", "v1", right);
    expect(await (await again.oci("GET", blobUrl)).text()).toBe(right);
    await again.close();
  });
});

describe.each(waysAtRest)("a repair (%s)", (atRest) => {
  let berth: InProcess;
  const quarantined = expect.stringMatching(/^Blob\w+ quarantined$/);
  let served: string;
  let spare: string;

  /** A layer with a second copy, as a push leaves behind that lost a race and then its power. */
  beforeEach(async () => {
    berth = await withImage(newFolder("data"), atRest);
    const { blobs, root: store } = berth.stores;
    [served = ""] = copiesIn(store);
    const staging = await blobs.begin(serverScope);
    const bytes = async function* () {
      yield new TextEncoder().encode(right);
    };
    const staged = await blobs.append(staging, 0, bytes(), { scope: serverScope, algorithm: "sha256" });
    await blobs.commit(staging, digest as never, staged, serverScope);
    spare = copiesIn(store).find((file) => file !== served) ?? "";
    // What is served is damaged, and known to be.
    writeFileSync(served, right.toUpperCase());
    expect(await checked(berth, { rehash: true })).toContainEqual(quarantined);
  });

  const watch = () => ({ berths: [berth], repositories: ["app"], digest, right });

  test.each(Object.entries(harms))("takes no copy with %s", async (_, harm) => {
    harm(spare);
    for (const rehash of [false, true]) {
      const { result, seen } = await watched(watch(), async (look) => {
        await look();
        const problems = await checked(berth, { rehash, repair: true });
        await look();
        return problems;
      });
      expect([result.filter((problem) => problem.startsWith("Blob")), seen]).toEqual([[quarantined], []]);
    }
    await berth.close();
  });

  test("takes a sound copy, and nobody sees anything else", async () => {
    const { result, seen } = await watched({ ...watch(), since: "the last look" }, async (look) => {
      await look();
      return checked(berth, { repair: true });
    });
    expect([result, seen]).toEqual([[expect.stringMatching(/^Blob\w+ repaired$/)], []]);
    expect(await (await berth.oci("GET", blobUrl)).text()).toBe(right);
    await berth.close();
  });

  test.each(Object.entries(harms))("does not open the quarantine of a copy with %s", async (_, harm) => {
    rmSync(spare);
    harm(served);
    const { seen } = await watched(watch(), async (look) => {
      await look();
      for (const rehash of [false, true]) await checked(berth, { rehash, repair: true });
      await look();
    });
    expect(seen).toEqual([]);
    await berth.close();
  });
});
