import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRepositoryCommand, DescribeRepositoriesCommand, ListTagsForResourceCommand } from "@aws-sdk/client-ecr";
import {
  AddUserToGroupCommand,
  AttachGroupPolicyCommand,
  CreateAccessKeyCommand,
  CreateGroupCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  CreateUserCommand,
} from "@aws-sdk/client-iam";
import { AssumeRoleCommand, GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { check, type Problem } from "../src/domain/registry/check.ts";
import { collectGarbage } from "../src/domain/registry/collection.ts";
import { serverScope } from "../src/domain/registry/encryption.ts";
import type { BlobStore } from "../src/domain/registry/ports.ts";
import { type BackedUp, backUp } from "../src/storage/backup/backup.ts";
import { type BackupFolder, BackupUnusable, openBackupFolder } from "../src/storage/backup/folder.ts";
import { type Restored, restore } from "../src/storage/backup/restore.ts";
import { openFilesystemBlobs } from "../src/storage/blobs/filesystem.ts";
import { digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";

/**
 * Whole backups of a whole registry: what was acknowledged comes back, whatever happens in between. Blobs are plain here;
 * sealed-backup.test.ts is about sealed ones.
 */

// Every blob is synced, on a machine that may be busy.
setDefaultTimeout(30_000);

const root = mkdtempSync(join(tmpdir(), "berth-backup-"));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const newFolder = (name: string) => join(root, `${name}-${folders++}`);

interface World {
  readonly berth: InProcess;
  readonly data: string;
  readonly dir: string;
  close(): Promise<void>;
}

/** A registry in use, with its secrets. */
async function world(): Promise<World> {
  const data = newFolder("data");
  mkdirSync(join(data, "keys"), { recursive: true });
  writeFileSync(join(data, "keys", "sealing.key"), "k".repeat(32), { mode: 0o600 });
  writeFileSync(join(data, "credentials"), "[default]\n", { mode: 0o600 });
  const berth = await inProcess({ data, atRest: "volume" });
  for (const repositoryName of ["app", "other"]) {
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName, tags: [{ Key: "owner", Value: "core" }] }));
  }
  return { berth, data, dir: newFolder("backup"), close: () => berth.close() };
}

let seconds = 0;
/** Each backup a second after the one before. */
const clock = () => new Date(Date.UTC(2030, 0, 1, 0, 0, seconds++));

async function inFolder<Result>(dir: string, work: (folder: BackupFolder) => Promise<Result>, make = false) {
  const folder = await openBackupFolder(dir, { make });
  try {
    return await work(folder);
  } finally {
    await folder.close();
  }
}

/** @param change makes other stores of the real ones */
function backup(
  { berth, data, dir }: World,
  {
    keep = 7,
    change = (stores) => stores,
    ...given
  }: {
    keep?: number;
    change?: (stores: { source: BlobStore; folder: BackupFolder }) => { source: BlobStore; folder: BackupFolder };
  } = {},
): Promise<BackedUp> {
  const { metadata, blobs } = berth.stores;
  const options = { keep, version: "test", bytesPerSecond: 0, clock, ...given };
  return inFolder(
    dir,
    async (opened) => {
      const { source, folder } = change({ source: blobs, folder: opened });
      const databaseUrl = `sqlite:${join(data, "berth.sqlite")}`;
      return backUp({ databaseUrl, data, metadata, blobs: source }, folder, options);
    },
    true,
  );
}

async function restoreInto(
  data: string,
  dir: string,
  { snapshot, change = (blobs) => blobs }: { snapshot?: string; change?: (blobs: BlobStore) => BlobStore } = {},
): Promise<Restored> {
  const blobs = await openFilesystemBlobs({ root: join(data, "blobs") });
  const target = { databaseUrl: `sqlite:${join(data, "berth.sqlite")}`, data, blobs: change(blobs) };
  return inFolder(dir, (folder) => restore(folder, target, { snapshot, clock }));
}

/** Restores, opens what came of it, and looks it through. */
async function restored<Result>(
  dir: string,
  work: (berth: InProcess, facts: { restored: Restored; problems: string[]; data: string }) => Promise<Result>,
  snapshot?: string,
): Promise<Result> {
  const data = newFolder("restored");
  const facts = await restoreInto(data, dir, { snapshot });
  const berth = await inProcess({ data, atRest: "volume" });
  try {
    return await work(berth, { restored: facts, problems: await problemsIn(berth), data });
  } finally {
    await berth.close();
  }
}

async function problemsIn(berth: InProcess): Promise<string[]> {
  const problems: Problem[] = [];
  await check(
    { ...berth.stores, clock: () => new Date() },
    { rehash: true, repair: false, bytesPerSecond: 0, found: (problem) => problems.push(problem) },
  );
  return problems.map(({ kind, digest }) => `${kind} ${digest}`);
}

const tagsOf = async (berth: InProcess, repository = "app") =>
  ((await (await berth.oci("GET", `/v2/${repository}/tags/list`)).json()) as { tags: string[] }).tags;

async function expectPullable(berth: InProcess, tag: string, content: string, repository = "app"): Promise<void> {
  const manifest = await berth.oci("GET", `/v2/${repository}/manifests/${tag}`);
  expect(manifest.status).toBe(200);
  const { layers } = (await manifest.json()) as { layers: { digest: string }[] };
  expect(layers.map(({ digest }) => digest)).toEqual([digestOf(content)]);
  const blob = await berth.oci("GET", `/v2/${repository}/blobs/${digestOf(content)}`);
  expect([blob.status, await blob.text()]).toEqual([200, content]);
}

function fileOf(blobsRoot: string, content: string): string {
  const hex = digestOf(content).slice(7);
  const folder = join(blobsRoot, "sha256", hex.slice(0, 2));
  const [name] = readdirSync(folder).filter((file) => file.startsWith(hex));
  if (!name) throw new Error(`no file of ${hex}`);
  return join(folder, name);
}

const pass = async function* (content: string) {
  yield new TextEncoder().encode(content);
};

test("every snapshot brings back its own moment, and the second backup copies only what is new", async () => {
  const here = await world();
  const { berth, dir } = here;
  await berth.pushImage("app", "v1", "one");
  await berth.pushImage("other", "v1", "one");
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [
      { mediaType: mediaTypes.manifest, size: 1, digest: (await berth.pushImage("app", "v2", "two")).digest },
    ],
  });
  const put = { headers: { "content-type": mediaTypes.index }, body: index };
  expect((await berth.oci("PUT", "/v2/app/manifests/all", put)).status).toBe(201);
  // An upload in progress is no part of it.
  const begun = await berth.oci("POST", "/v2/app/blobs/uploads/");
  await berth.oci("PATCH", begun.headers.get("location") ?? "", { body: "half" });

  const first = await backup(here);
  expect(first).toMatchObject({ blobs: 3, copied: 3, missing: [], snapshotsRemoved: 0, blobsRemoved: 0 });
  await berth.pushImage("app", "v3", "three");
  const second = await backup(here);
  expect(second).toMatchObject({ blobs: 4, copied: 1, copiedBytes: 5, missing: [] });
  expect(await backup(here)).toMatchObject({ copied: 0 });
  await berth.pushImage("app", "v4", "four");

  await restored(dir, async (again, { restored: facts, problems, data }) => {
    expect(facts).toMatchObject({ blobs: 4, copied: 4, missing: [] });
    expect(problems).toEqual([]);
    expect(await tagsOf(again)).toEqual(["all", "v1", "v2", "v3"]);
    await expectPullable(again, "v1", "one");
    await expectPullable(again, "v1", "one", "other");
    await expectPullable(again, "v3", "three");
    expect(await (await again.oci("GET", "/v2/app/manifests/all")).text()).toBe(index);
    const resourceArn = "arn:aws:ecr:us-east-1:000000000000:repository/app";
    const { tags } = await again.ecr().send(new ListTagsForResourceCommand({ resourceArn }));
    expect(tags).toEqual([{ Key: "owner", Value: "core" }]);
    for (const secret of ["credentials", "keys/sealing.key"]) {
      expect(statSync(join(data, secret)).mode & 0o777).toBe(0o600);
      expect(await Bun.file(join(data, secret)).text()).toBe(await Bun.file(join(here.data, secret)).text());
    }
    expect(existsSync(join(data, "restoring"))).toBe(false);
    // It goes on from there.
    await again.pushImage("app", "v5", "five");
    await expectPullable(again, "v5", "five");
  });
  await restored(
    dir,
    async (again, { problems }) => {
      expect(problems).toEqual([]);
      expect(await tagsOf(again)).toEqual(["all", "v1", "v2"]);
    },
    first.snapshot,
  );
  await here.close();
});

test("users, roles, policies and keys come back, and count", async () => {
  const here = await world();
  const { berth, dir } = here;
  const iam = berth.iam();
  const UserName = "ci";
  const document = (statement: object) => JSON.stringify({ Version: "2012-10-17", Statement: statement });
  const { User } = await iam.send(
    new CreateUserCommand({ UserName, Path: "/bots/", Tags: [{ Key: "a", Value: "b" }] }),
  );
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
  const PolicyDocument = document({ Effect: "Allow", Action: "ecr:DescribeRepositories", Resource: "*" });
  const { Policy } = await iam.send(new CreatePolicyCommand({ PolicyName: "look", PolicyDocument }));
  const PolicyArn = Policy?.Arn;
  await iam.send(new CreateGroupCommand({ GroupName: "bots" }));
  await iam.send(new AttachGroupPolicyCommand({ GroupName: "bots", PolicyArn }));
  await iam.send(new AddUserToGroupCommand({ GroupName: "bots", UserName }));
  const trust = { Effect: "Allow", Principal: { AWS: User?.Arn }, Action: "sts:AssumeRole" };
  const assumable = { RoleName: "puller", AssumeRolePolicyDocument: document(trust) };
  const { Role } = await iam.send(new CreateRoleCommand(assumable));
  await backup(here);
  await here.close();

  await restored(dir, async (again, { problems }) => {
    expect(problems).toEqual([]);
    const credentials = { accessKeyId: AccessKey?.AccessKeyId, secretAccessKey: AccessKey?.SecretAccessKey };
    const { Arn, UserId } = await again.sts({ credentials }).send(new GetCallerIdentityCommand({}));
    expect([Arn, UserId]).toEqual([User?.Arn, User?.UserId]);
    const { repositories } = await again.ecr({ credentials }).send(new DescribeRepositoriesCommand({}));
    expect(repositories).toHaveLength(2);
    const assume = { RoleArn: Role?.Arn, RoleSessionName: "restored" };
    const { AssumedRoleUser } = await again.sts({ credentials }).send(new AssumeRoleCommand(assume));
    expect(AssumedRoleUser?.AssumedRoleId).toBe(`${Role?.RoleId}:restored`);
  });
});

test("so many snapshots stay as are to be kept, with exactly their blobs", async () => {
  const here = await world();
  const made: BackedUp[] = [];
  for (let number = 1; number <= 4; number++) {
    const { digest } = await here.berth.pushImage("app", "latest", `content ${number}`);
    made.push(await backup(here, { keep: 2 }));
    // What is deleted and collected is in older snapshots only.
    expect((await here.berth.oci("DELETE", `/v2/app/manifests/${digest}`)).status).toBe(202);
    const later = () => new Date(Date.now() + 1000);
    await collectGarbage({ ...here.berth.stores, clock: later }, { graceMs: 0 });
  }
  expect(made.map(({ blobs, copied }) => [blobs, copied])).toEqual([
    [2, 2],
    [2, 1],
    [2, 1],
    [2, 1],
  ]);
  expect(made.map(({ snapshotsRemoved, blobsRemoved }) => [snapshotsRemoved, blobsRemoved])).toEqual([
    [0, 0],
    [0, 0],
    [1, 1],
    [1, 1],
  ]);
  await inFolder(here.dir, async (folder) => {
    expect(await folder.snapshots()).toEqual(made.slice(2).map(({ snapshot }) => snapshot));
  });
  for (const [at, { snapshot }] of made.slice(2).entries()) {
    await restored(
      here.dir,
      async (again, { problems }) => {
        expect(problems).toEqual([]);
        await expectPullable(again, "latest", `content ${at + 3}`);
      },
      snapshot,
    );
  }
  await here.close();
});

describe("damage", () => {
  test("is reported and not backed up; what is restored without it is mended by a push", async () => {
    const here = await world();
    await here.berth.pushImage("app", "v1", "one");
    await here.berth.pushImage("app", "v2", "two");
    await here.berth.pushImage("app", "v3", "three");
    writeFileSync(fileOf(here.berth.stores.root, "one"), "ONE");
    rmSync(fileOf(here.berth.stores.root, "two"));
    const { missing, copied } = await backup(here);
    expect(copied).toBe(2);
    expect([...missing].sort((a, b) => a.because.localeCompare(b.because))).toEqual([
      { digest: digestOf("two"), sizeBytes: 3, because: expect.stringMatching(/cannot be read: ENOENT/) },
      { digest: digestOf("one"), sizeBytes: 3, because: "its bytes are not those of its digest" },
    ] as never);
    await restored(here.dir, async (again, { restored: facts, problems }) => {
      expect(facts.missing.map(({ digest }) => digest as string).sort()).toEqual(
        [digestOf("one"), digestOf("two")].sort(),
      );
      expect(problems.sort()).toEqual([`BlobMissing ${digestOf("one")}`, `BlobMissing ${digestOf("two")}`].sort());
      await expectPullable(again, "v3", "three");
      expect((await again.oci("HEAD", `/v2/app/blobs/${digestOf("one")}`)).status).toBe(404);
      await again.pushImage("app", "v1", "one");
      await expectPullable(again, "v1", "one");
    });
    await here.close();
  });

  test("of the registry is mended by what an earlier backup has", async () => {
    const here = await world();
    await here.berth.pushImage("app", "v1", "one");
    await backup(here);
    truncateSync(fileOf(here.berth.stores.root, "one"), 1);
    await problemsIn(here.berth);
    expect(await backup(here)).toMatchObject({ missing: [], copied: 0 });
    await restored(here.dir, async (again, { problems }) => {
      expect(problems).toEqual([]);
      await expectPullable(again, "v1", "one");
    });
    await here.close();
  });

  test("of the backup is found when it is restored", async () => {
    const here = await world();
    await here.berth.pushImage("app", "v1", "one");
    await here.berth.pushImage("app", "v2", "two");
    await backup(here);
    writeFileSync(fileOf(join(here.dir, "blobs"), "one"), "ONE");
    await restored(here.dir, async (again, { restored: facts }) => {
      expect(facts.missing).toMatchObject([{ digest: digestOf("one") }] as never);
      expect(facts.missing[0]?.because).toContain("the backup's copy is damaged");
      await expectPullable(again, "v2", "two");
    });
    await here.close();
  });
});

describe("a backup that is interrupted", () => {
  test("at any moment leaves the one before, and the next one finishes", async () => {
    const here = await world();
    await here.berth.pushImage("app", "v1", "one");
    await backup(here);
    for (const content of ["two", "three", "four"]) await here.berth.pushImage("app", content, content);
    const after = (limit: number) => {
      let calls = 0;
      const step =
        <Args extends unknown[], Result>(verb: (...args: Args) => Promise<Result>) =>
        async (...args: Args) => {
          if (++calls > limit) throw new Error("interrupted");
          return verb(...args);
        };
      return { step, wasEnough: () => calls <= limit };
    };
    let interruptions = 0;
    for (let limit = 0; ; limit++) {
      const { step, wasEnough } = after(limit);
      const change = ({ source, folder }: { source: BlobStore; folder: BackupFolder }) => {
        const { append, commit, remove, abort } = folder.blobs;
        const blobs = { ...folder.blobs, append: step(append), commit: step(commit), remove: step(remove), abort };
        const { draft, publish, removeSnapshot } = folder;
        const steps = { draft: step(draft), publish: step(publish), removeSnapshot: step(removeSnapshot) };
        return { source, folder: { ...folder, ...steps, blobs } };
      };
      const made = await backup(here, { change, keep: 1 }).catch((error: Error) => error.message);
      await restored(here.dir, async (again, { problems }) => {
        expect(problems).toEqual([]);
        await expectPullable(again, "v1", "one");
      });
      if (wasEnough()) break;
      interruptions++;
      expect(made).toBe("interrupted");
    }
    expect(interruptions).toBeGreaterThan(5);
    await restored(here.dir, async (again) => {
      expect(await tagsOf(again)).toEqual(["four", "three", "two", "v1"]);
    });
    // Nothing of the interrupted ones is left.
    expect(readdirSync(join(here.dir, "blobs", "staging"))).toEqual([]);
    expect(readdirSync(join(here.dir, "snapshots"))).toHaveLength(1);
    await here.close();
  });

  test("by a collection takes another snapshot, and gives up when that goes on", async () => {
    const here = await world();
    const { berth } = here;
    await berth.pushImage("app", "v1", "one");
    const forget = async (content: string) => {
      const digest = digestOf(content) as never;
      const repository = await berth.stores.metadata.read.blobs.holders(digest, 1);
      await berth.stores.metadata.transact(({ layers }) => layers.unlink(repository[0]?.id ?? 0, digest, new Date(0)));
      await collectGarbage({ ...berth.stores, clock: () => new Date() }, { graceMs: 0 });
    };
    const collecting = (contents: string[]) => ({
      change: ({ source, folder }: { source: BlobStore; folder: BackupFolder }) => ({
        folder,
        source: {
          ...source,
          async *bytes(blob: Parameters<BlobStore["bytes"]>[0]) {
            const content = contents.find((candidate) => digestOf(candidate) === blob.digest);
            if (content !== undefined) await forget(content);
            yield* source.bytes(blob);
          },
        },
      }),
    });
    await berth.pushBlob("app", "nobody's");
    const made = await backup(here, collecting(["nobody's"]));
    expect(made).toMatchObject({ blobs: 2, copied: 2, missing: [] });
    await restored(here.dir, async (again, { problems }) => {
      expect(problems).toEqual([]);
      await expectPullable(again, "v1", "one");
    });

    let pushed = 0;
    const busy: Parameters<typeof backup>[1] = {
      change: ({ source, folder }) => ({
        folder: {
          ...folder,
          async draft() {
            await berth.pushBlob("app", `passing ${pushed++}`);
            return folder.draft();
          },
        },
        source: collecting(Array.from({ length: 9 }, (_, number) => `passing ${number}`)).change({ source, folder })
          .source,
      }),
    };
    await expect(backup(here, busy)).rejects.toThrow("Set gc.grace");
    await here.close();
  });

  test("a blob that is pushed anew in the place of a damaged one is taken from there", async () => {
    const here = await world();
    await here.berth.pushImage("app", "v1", "one");
    rmSync(fileOf(here.berth.stores.root, "one"));
    const made = await backup(here, {
      change: ({ source, folder }) => ({
        folder,
        source: {
          ...source,
          async *bytes(blob) {
            const isFirst = blob.digest === digestOf("one") && !(await source.stat(blob));
            if (isFirst) {
              await problemsIn(here.berth);
              await here.berth.pushBlob("app", "one");
            }
            yield* source.bytes(blob);
          },
        },
      }),
    });
    expect(made).toMatchObject({ copied: 2, missing: [] });
    await here.close();
  });
});

describe("a restore", () => {
  test("refuses what is not empty, and says what it is", async () => {
    const here = await world();
    await here.berth.pushImage("app", "v1", "one");
    await backup(here);
    const refusal = async (prepare: (data: string) => void | Promise<void>) => {
      const data = newFolder("taken");
      mkdirSync(data);
      await prepare(data);
      const before = readdirSync(data, { recursive: true }).filter((name) => !String(name).startsWith("blobs"));
      const error = await restoreInto(data, here.dir).catch((thrown: Error) => thrown);
      expect(error).toBeInstanceOf(BackupUnusable);
      const left = readdirSync(data, { recursive: true }).filter((name) => !String(name).startsWith("blobs"));
      expect(left).toEqual(before);
      return (error as Error).message;
    };
    expect(await refusal((data) => writeFileSync(join(data, "berth.sqlite"), ""))).toContain("there is a database");
    expect(await refusal((data) => writeFileSync(join(data, "credentials"), ""))).toContain("credentials");
    expect(
      await refusal((data) => {
        mkdirSync(join(data, "keys"));
        writeFileSync(join(data, "keys", "sealing.key"), "");
      }),
    ).toContain(join("keys", "sealing.key"));
    const full = await refusal(async (data) => {
      const blobs = await openFilesystemBlobs({ root: join(data, "blobs") });
      const staging = await blobs.begin(serverScope);
      const staged = await blobs.append(staging, 0, pass("x"), { scope: serverScope, algorithm: "sha256" });
      await blobs.commit(staging, digestOf("x") as never, staged, serverScope);
    });
    expect(full).toContain("the blob store has sha256:");

    const nowhere = inFolder(here.dir, async (folder) => {
      const blobs = await openFilesystemBlobs({ root: newFolder("blobs") });
      return restore(folder, { databaseUrl: "sqlite:/none", data: root, blobs }, { snapshot: "monday", clock });
    });
    await expect(nowhere).rejects.toThrow("has no snapshot monday; it has 2030-");
    await here.close();
  });

  test("that was interrupted goes on where it stood, with the same snapshot only", async () => {
    const here = await world();
    const first = await backup(here);
    for (const content of ["one", "two", "three"]) await here.berth.pushImage("app", content, content);
    const { snapshot } = await backup(here);
    const data = newFolder("interrupted");
    let commits = 0;
    const failing = (blobs: BlobStore): BlobStore => ({
      ...blobs,
      async commit(...given) {
        if (++commits > 2) throw new Error("interrupted");
        return blobs.commit(...given);
      },
    });
    await expect(restoreInto(data, here.dir, { change: failing })).rejects.toThrow("interrupted");
    expect(existsSync(join(data, "berth.sqlite"))).toBe(false);
    await expect(restoreInto(data, here.dir, { snapshot: first.snapshot })).rejects.toThrow(
      `has half of the snapshot ${snapshot}`,
    );
    expect(await restoreInto(data, here.dir)).toMatchObject({ snapshot, blobs: 4, copied: 2, missing: [] });
    const again = await inProcess({ data, atRest: "volume" });
    expect(await problemsIn(again)).toEqual([]);
    for (const content of ["one", "two", "three"]) await expectPullable(again, content, content);
    await again.close();
    await here.close();
  });
});

describe("a folder", () => {
  test("is used by one at a time", async () => {
    const dir = newFolder("backup");
    const held = await openBackupFolder(dir, { make: true });
    await expect(openBackupFolder(dir)).rejects.toThrow("is in use by another backup or restore");
    await held.close();
    await (await openBackupFolder(dir)).close();
  });

  test("that holds something else is left alone", async () => {
    const dir = newFolder("documents");
    mkdirSync(dir);
    writeFileSync(join(dir, "letter.txt"), "");
    await expect(openBackupFolder(dir, { make: true })).rejects.toThrow("neither empty nor a backup");
    await expect(openBackupFolder(newFolder("none"))).rejects.toThrow("is no backup");
    expect(readdirSync(dir)).toEqual(["letter.txt"]);
  });

  test("of a backup that was never completed has nothing to restore", async () => {
    const dir = newFolder("backup");
    await (await openBackupFolder(dir, { make: true })).close();
    await expect(restoreInto(newFolder("data"), dir)).rejects.toThrow("no backup to it was completed");
  });
});
