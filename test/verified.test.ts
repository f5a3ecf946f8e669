import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchCheckLayerAvailabilityCommand,
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  InitiateLayerUploadCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import { operations as ecrOperations } from "../src/aws/ecr/index.ts";
import { permissions } from "../src/oci/permissions.ts";
import { digestOf, type InProcess, inProcess } from "./support/berth.ts";
import { changes, inPieces, type Path, told, toldByApi } from "./support/pushes.ts";
import { streamOf, watched } from "./support/watched.ts";

/**
 * Nothing is published before its hash is verified, on any path (S15). Every way by which bytes become readable is tried
 * with bytes of another digest, while readers ask for that digest all the time. verified-manifests.test.ts does the same
 * for manifests, verified-copies.test.ts for the bytes that come from a backup or another copy.
 */

// Every blob is synced, on a machine that may be busy.
setDefaultTimeout(30_000);

/** Two processes over one data directory, as two workers are. */
let [one, other]: [InProcess, InProcess] = [undefined as never, undefined as never];
const data = mkdtempSync(join(tmpdir(), "berth-verified-"));
let names = 0;

beforeAll(async () => {
  [one, other] = [await inProcess({ data }), await inProcess({ data })];
});
afterAll(async () => {
  for (const berth of [one, other]) await berth.close();
  rmSync(data, { recursive: true });
});

async function newRepository(): Promise<string> {
  const repositoryName = `verified/r${names++}`;
  await one.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  return repositoryName;
}

async function begin(berth: InProcess, repository: string, query = ""): Promise<string> {
  const begun = await berth.oci("POST", `/v2/${repository}/blobs/uploads/${query}`);
  expect(begun.status).toBe(202);
  return begun.headers.get("location") ?? "";
}

async function patch(berth: InProcess, upload: string, piece: string, first?: number): Promise<void> {
  const range = `${first}-${(first ?? 0) + piece.length - 1}`;
  const headers: Record<string, string> = first === undefined ? {} : { "content-range": range };
  expect((await berth.oci("PATCH", upload, { headers, body: piece })).status).toBe(202);
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Everything that gives bytes a name, and so may show them to somebody. */
const paths: Record<string, Path> = {
  "POST with the content": {
    covers: ["upload.single"],
    refused: "DIGEST_INVALID",
    push: ({ repository, digest, pieces, look }) =>
      told(one.oci("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: streamOf(pieces, look) })),
  },
  "POST, PUT with the content": {
    covers: ["upload.begin", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces, look }) {
      const upload = await begin(one, repository);
      return told(one.oci("PUT", `${upload}?digest=${digest}`, { body: streamOf(pieces, look) }));
    },
  },
  "POST, PATCH with the content, PUT": {
    covers: ["upload.begin", "upload.write", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces, look }) {
      const upload = await begin(one, repository);
      expect((await one.oci("PATCH", upload, { body: streamOf(pieces, look) })).status).toBe(202);
      await look();
      return told(one.oci("PUT", `${upload}?digest=${digest}`));
    },
  },
  "chunks with their range, the last with PUT": {
    covers: ["upload.begin", "upload.write", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces: [first, second, third], look }) {
      const upload = await begin(one, repository);
      await patch(one, upload, first, 0);
      await look();
      await patch(one, upload, second, first.length);
      await look();
      return told(one.oci("PUT", `${upload}?digest=${digest}`, { body: streamOf([third], look) }));
    },
  },
  "an upload that goes on after a broken connection": {
    covers: ["upload.begin", "upload.write", "upload.status", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces: [first, second, third], look }) {
      const upload = await begin(one, repository);
      const breaks = streamOf([first, second], look, new Error("the connection broke"));
      expect(await told(one.oci("PATCH", upload, { body: breaks }))).toBe("BLOB_UPLOAD_INVALID");
      const range = (await one.oci("GET", upload)).headers.get("range") ?? "";
      const received = Number(range.split("-")[1]) + 1;
      expect(received).toBe(first.length + second.length);
      await patch(one, upload, third, received);
      await look();
      return told(one.oci("PUT", `${upload}?digest=${digest}`));
    },
  },
  "an upload that another process goes on with, and a third request ends": {
    covers: ["upload.begin", "upload.write", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces: [first, second, third], look }) {
      const upload = await begin(one, repository);
      await patch(one, upload, first);
      await patch(other, upload, second, first.length);
      await look();
      return told(one.oci("PUT", `${upload}?digest=${digest}`, { body: streamOf([third], look) }));
    },
  },
  "an upload that is taken over from a writer who never let go, and who goes on writing": {
    covers: ["upload.begin", "upload.write", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces: [first, second, third], look }) {
      const upload = await begin(one, repository);
      await patch(one, upload, first);
      const gate = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      let isFirst = true;
      const hung = one.oci("PATCH", upload, {
        body: streamOf([second.toUpperCase(), third.toUpperCase(), "more"], () => {
          if (!isFirst) return Promise.resolve();
          isFirst = false;
          started.resolve();
          return gate.promise;
        }),
      });
      await started.promise;
      // Its claim has run out.
      other.now = new Date(one.now.getTime() + 11_000);
      await patch(other, upload, second, first.length);
      await look();
      const ended = other.oci("PUT", `${upload}?digest=${digest}`, {
        body: streamOf([third], async () => {
          gate.resolve();
          await hung;
          await look();
        }),
      });
      expect((await hung).ok).toBe(false);
      const answer = await told(ended);
      other.now = one.now;
      return answer;
    },
  },
  "an upload of another algorithm": {
    covers: ["upload.begin", "upload.write", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces: [first, second, third], look }) {
      const upload = await begin(one, repository, "?digest-algorithm=sha512");
      await patch(one, upload, first + second);
      await look();
      return told(one.oci("PUT", `${upload}?digest=${digest}`, { body: streamOf([third], look) }));
    },
  },
  "parts by API": {
    covers: ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"],
    refused: "InvalidLayerException",
    async push({ repository, digest, pieces, look }) {
      const layerPartBlob = bytesOf(pieces.join(""));
      const upload = await initiate(repository);
      const part = { ...upload, partFirstByte: 0, partLastByte: layerPartBlob.length - 1, layerPartBlob };
      await other.ecr().send(new UploadLayerPartCommand(part));
      await look();
      return toldByApi(one.ecr().send(new CompleteLayerUploadCommand({ ...upload, layerDigests: [digest] })));
    },
  },
  "an upload that the API begins and the registry ends": {
    covers: ["InitiateLayerUpload", "UploadLayerPart", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces: [first, second, third], look }) {
      const layerPartBlob = bytesOf(first + second);
      const upload = await initiate(repository);
      const part = { ...upload, partFirstByte: 0, partLastByte: layerPartBlob.length - 1, layerPartBlob };
      await one.ecr().send(new UploadLayerPartCommand(part));
      const path = `/v2/${repository}/blobs/uploads/${upload.uploadId}?digest=${digest}`;
      return told(one.oci("PUT", path, { body: streamOf([third], look) }));
    },
  },
  "an upload that the registry begins and the API ends": {
    covers: ["upload.begin", "upload.write", "CompleteLayerUpload"],
    refused: "InvalidLayerException",
    async push({ repository, digest, pieces, look }) {
      const upload = await begin(one, repository);
      await patch(one, upload, pieces.join(""));
      await look();
      const input = { repositoryName: repository, uploadId: upload.slice(-36), layerDigests: [digest] };
      return toldByApi(one.ecr().send(new CompleteLayerUploadCommand(input)));
    },
  },
  "a mount while the bytes come in": {
    covers: ["upload.mount", "upload.commit"],
    refused: "DIGEST_INVALID",
    async push({ repository, digest, pieces: [first, second, third], look }) {
      const upload = await begin(one, repository);
      await patch(one, upload, first + second);
      await look();
      const target = await newRepository();
      for (const from of ["", `&from=${repository}`]) {
        const mount = await other.oci("POST", `/v2/${target}/blobs/uploads/?mount=${digest}${from}`);
        expect(mount.status).toBe(202);
      }
      return told(one.oci("PUT", `${upload}?digest=${digest}`, { body: streamOf([third], look) }));
    },
  },
};

/** Those are in verified-manifests.test.ts. */
const ofManifests = ["manifest.write", "PutImage"];

/** They read, delete or describe. No bytes come with them, and nothing gets a name. */
const bringNothing = [
  ...["base", "catalog", "blob.read", "blob.delete", "manifest.read", "manifest.delete"],
  ...["upload.status", "upload.cancel", "tags", "tag.history", "referrers"],
  ...["BatchCheckLayerAvailability", "BatchDeleteImage", "BatchGetImage", "CreateRepository", "DeleteRegistryPolicy"],
  ...[
    "DeleteRepository",
    "DeleteRepositoryPolicy",
    "DeregisterPullTimeUpdateExclusion",
    "DescribeImageReplicationStatus",
    "DescribeImages",
    "DescribeRegistry",
    "DescribeReplicationBackfillResults",
    "DescribeRepositories",
  ],
  ...["GetAccountSetting", "GetAuthorizationToken", "GetDownloadUrlForLayer", "GetRegistryPolicy"],
  ...[
    "GetRepositoryPolicy",
    "ListImageReferrers",
    "ListImages",
    "ListPullTimeUpdateExclusions",
    "ListReplicationBackfills",
    "ListTagsForResource",
    "PutAccountSetting",
  ],
  ...[
    "PutImageScanningConfiguration",
    "PutImageTagMutability",
    "PutRegistryPolicy",
    "PutReplicationConfiguration",
    "RegisterPullTimeUpdateExclusion",
    "SetRepositoryPolicy",
  ],
  ...["TagResource", "UntagResource", "UpdateImageStorageClass"],
  ...["DeleteLifecyclePolicy", "GetLifecyclePolicy", "GetLifecyclePolicyPreview", "PutLifecyclePolicy"],
  "StartLifecyclePolicyPreview",
  ...["BatchGetRepositoryScanningConfiguration", "DescribeImageScanFindings", "GetRegistryScanningConfiguration"],
  ...["PutRegistryScanningConfiguration", "StartImageScan"],
  ...["DeleteSigningConfiguration", "DescribeImageSigningStatus", "GetSigningConfiguration", "PutSigningConfiguration"],
  "CreateRepositoryCreationTemplate",
  "DeleteRepositoryCreationTemplate",
  "DescribeRepositoryCreationTemplates",
  "UpdateRepositoryCreationTemplate",
  ...["CreatePullThroughCacheRule", "DeletePullThroughCacheRule", "DescribePullThroughCacheRules"],
  ...["UpdatePullThroughCacheRule", "ValidatePullThroughCacheRule"],
  ...["StartReplicationBackfill", "StopReplicationBackfill"],
];

async function initiate(repositoryName: string) {
  const { uploadId } = await one.ecr().send(new InitiateLayerUploadCommand({ repositoryName }));
  return { repositoryName, uploadId };
}

describe("every way has its row", () => {
  test("among the routes and operations", () => {
    const rows = [...Object.values(paths).flatMap(({ covers }) => covers), ...ofManifests];
    const known = new Set([...rows, ...bringNothing]);
    const all = [...Object.keys(permissions), ...ecrOperations.keys()];
    expect(all.filter((name) => !known.has(name))).toEqual([]);
    expect([...known].filter((name) => !all.includes(name))).toEqual([]);
  });

  test("in the code that gives content a name", () => {
    const src = join(import.meta.dir, "..", "src");
    const callers = (call: RegExp) =>
      readdirSync(src, { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts") && !/(?:\.test|testing)\.ts$|^storage\/(?:blobs|metadata)\//.test(file))
        .filter((file) => call.test(readFileSync(join(src, file), "utf8")))
        .sort();
    const registry = (...files: string[]) => files.map((file) => `domain/registry/${file}.ts`);
    expect(callers(/\b(?:blobs|to|target|backup)\.(?:commit|store)\(/)).toEqual(registry("copy", "uploads"));
    // Those are in verified-copies.test.ts and, for the archive, in archive-store.test.ts.
    expect(callers(/\bcopyBlob\(/)).toEqual([
      ...registry("archive-moves", "check-blobs", "copy", "sealing"),
      // Between repositories of two keys: see replication.test.ts.
      "domain/replication/local-target.ts",
      "storage/backup/backup.ts",
      "storage/backup/restore.ts",
    ]);
    expect(callers(/\blayers\.link\(/)).toEqual([
      ...registry("mounts", "uploads"),
      "domain/replication/local-target.ts",
    ]);
    expect(callers(/\bblobs\.(?:heal|acquit)\(/)).toEqual(registry("check-blobs"));
    expect(callers(/\bimages\.put\(/)).toEqual([
      "aws/ecr/PutImage.ts",
      // What an upstream sent goes in as a push does, by the same checks: pull-through-failures.test.ts.
      "domain/pull-through/cached-manifests.ts",
      // Undeletion puts back the bytes that the database has kept of an image, under the digest that it had.
      ...registry("images", "undelete"),
      // Of an image that was verified when it was pushed, under its digest.
      "domain/replication/local-target.ts",
      "oci/push.ts",
    ]);
  });
});

/** Pushes what is wrong, then what is right, then what is wrong again. */
async function tryPath(name: string, path: Path, change: string): Promise<void> {
  const repository = await newRepository();
  const elsewhere = await newRepository();
  const right = `${name}: ${change}`.padEnd(60, ".");
  const wrong = changes[change]?.(right) ?? "";
  const digest = digestOf(right);
  const watch = { berths: [one, other], repositories: [repository, elsewhere], digest, right };

  // Neither by the digest that it is said to have nor by its own.
  for (const wanted of [digest, digestOf(wrong)]) {
    const refused = await watched({ ...watch, digest: wanted }, (look) =>
      path.push({ repository, digest, pieces: inPieces(wrong), look }),
    );
    expect(refused).toEqual({ result: path.refused, seen: [] });
  }
  const input = { repositoryName: repository, layerDigests: [digest] };
  const { layers } = await one.ecr().send(new BatchCheckLayerAvailabilityCommand(input));
  expect(layers?.map(({ layerAvailability }) => layerAvailability)).toEqual(["UNAVAILABLE"]);

  const done = await watched({ ...watch, since: "the last look" }, (look) =>
    path.push({ repository, digest, pieces: inPieces(right), look }),
  );
  expect(done).toEqual({ result: "done", seen: [] });
  for (const berth of [one, other]) {
    const read = await berth.oci("GET", `/v2/${repository}/blobs/${digest}`);
    expect([read.status, await read.text()]).toEqual([200, right]);
    expect((await berth.oci("GET", `/v2/${elsewhere}/blobs/${digest}`)).status).toBe(404);
  }

  // Nor do the wrong bytes take the place of those that are there.
  const again = await watched({ ...watch, since: "the start" as const }, (look) =>
    path.push({ repository, digest, pieces: inPieces(wrong), look }),
  );
  expect(again).toEqual({ result: path.refused, seen: [] });
}

describe.each(Object.entries(paths))("%s", (name, path) => {
  test.each(Object.keys(changes))("%s", (change) => tryPath(name, path, change));
});

describe("where encryption is left to the volume", () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-verified-plain-"));
  let sealed: [InProcess, InProcess];
  beforeAll(async () => {
    sealed = [one, other];
    const options = { data: folder, atRest: "volume" } as const;
    [one, other] = [await inProcess(options), await inProcess(options)];
  });
  afterAll(async () => {
    for (const berth of [one, other]) await berth.close();
    rmSync(folder, { recursive: true });
    [one, other] = sealed;
  });

  test.each(Object.entries(paths))("%s", (name, path) => tryPath(name, path, "one byte another"));
});
