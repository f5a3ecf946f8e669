import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { linkSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  CreateRepositoryCommand,
  DescribeRepositoriesCommand,
  ECRClient,
  GetLifecyclePolicyCommand,
  GetRepositoryPolicyCommand,
  ListTagsForResourceCommand,
  PutLifecyclePolicyCommand,
  SetRepositoryPolicyCommand,
} from "@aws-sdk/client-ecr";
import {
  buildIndex,
  type Image,
  pushImage,
  sampleImage,
  writeImageLayout,
  writeIndexLayout,
} from "./clients/images.ts";
import { sha256 } from "./clients/registry.ts";
import { berth, berthJson, copyWorld, homeFor, keys } from "./support/copies.ts";

/** `berth import` into a real server, whose repositories are made by it and by nobody else. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(120_000);

let world: Awaited<ReturnType<typeof copyWorld>>;
let here: Awaited<ReturnType<typeof world.server>>;
let env: Record<string, string>;
const credentials = { accessKeyId: keys.AWS_ACCESS_KEY_ID, secretAccessKey: keys.AWS_SECRET_ACCESS_KEY };
const clientOf = (server: typeof here) => new ECRClient({ region: "us-east-1", endpoint: server.url, credentials });
beforeAll(async () => {
  world = await copyWorld("import");
  here = await world.server({ BERTH_CREATE_ON_PUSH: "false" });
  env = { ...homeFor(world.root, []), ...keys, AWS_ENDPOINT_URL: here.url };
});
afterAll(() => world.close());

const digestAt = async (repository: string, reference: string) =>
  (await here.registry.manifest(repository, reference)).digest;
const statusAt = async (path: string) => (await here.registry.request("HEAD", path)).status;

/** What Distribution leaves on disk when these are pushed. */
function distributionStorage(
  root: string,
  repository: string,
  tag: string | undefined,
  documents: Uint8Array[],
  blobs: Uint8Array[],
): void {
  const base = join(root, "docker", "registry", "v2");
  const put = (path: string, content: string | Uint8Array) => {
    mkdirSync(dirname(join(base, path)), { recursive: true });
    writeFileSync(join(base, path), content);
  };
  for (const bytes of [...documents, ...blobs]) {
    const hex = sha256(bytes).slice(7);
    put(`blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, bytes);
  }
  for (const bytes of blobs)
    put(`repositories/${repository}/_layers/sha256/${sha256(bytes).slice(7)}/link`, sha256(bytes));
  for (const bytes of documents)
    put(`repositories/${repository}/_manifests/revisions/sha256/${sha256(bytes).slice(7)}/link`, sha256(bytes));
  const [top] = documents;
  if (tag === undefined || !top) return;
  put(`repositories/${repository}/_manifests/tags/${tag}/current/link`, sha256(top));
  put(`repositories/${repository}/_manifests/tags/${tag}/index/sha256/${sha256(top).slice(7)}/link`, sha256(top));
}
const blobsOf = (...images: readonly Image[]) => images.flatMap((image) => [...image.blobs.values()]);

test("a storage folder of Distribution: repositories, nested ones too, indexes, filters, and once more sends nothing", async () => {
  const root = world.folder();
  const index = buildIndex("distribution");
  const [plain, untagged, gone] = ["plain", "untagged", "gone"].map((seed) => sampleImage(seed)) as [
    Image,
    Image,
    Image,
  ];
  distributionStorage(
    root,
    "team",
    "v1",
    [index.index, ...index.images.map(({ manifest }) => manifest)],
    blobsOf(...index.images),
  );
  distributionStorage(root, "team/app", "latest", [plain.manifest], blobsOf(plain));
  distributionStorage(root, "team/app", undefined, [untagged.manifest], blobsOf(untagged));
  distributionStorage(root, "left/out", "v1", [gone.manifest], blobsOf(gone));
  const args = ["import", "distribution", root, "--exclude", "left/*"];
  const dry = await berthJson([...args, "--dry-run"], env);
  expect(dry).toMatchObject({ code: 0, err: "", summary: { images: 2, copied: 2 } });
  expect(await statusAt("/v2/team/tags/list")).toBe(404);
  const first = await berthJson(args, env);
  expect(first).toMatchObject({ code: 0, err: "", summary: { images: 2, copied: 2, failed: 0 } });
  const arrivals = ({ summary }: typeof dry) => summary.sentBlobs + summary.mountedBlobs;
  expect(arrivals(first)).toBe(arrivals(dry));
  expect(await digestAt("team", "v1")).toBe(index.digest);
  expect(await digestAt("team/app", "latest")).toBe(plain.digest);
  for (const digest of plain.blobs.keys()) expect(sha256(await here.registry.blob("team/app", digest))).toBe(digest);
  expect(await statusAt(`/v2/team/app/manifests/${untagged.digest}`)).toBe(404);
  expect(await statusAt("/v2/left/out/tags/list")).toBe(404);
  const again = await berthJson([...args, "--untagged", "--include", "team/*"], env);
  expect(again.summary).toMatchObject({ failed: 0, copied: 1, there: 2, sentBlobs: 3 });
  expect(await digestAt("team/app", untagged.digest)).toBe(untagged.digest);
});

test("into another region than the host serves: nothing is made, and it is said what to set", async () => {
  const root = world.folder();
  const image = sampleImage("another region");
  distributionStorage(root, "regions/app", "v1", [image.manifest], blobsOf(image));
  const elsewhere = { ...env, AWS_REGION: "eu-west-1" };
  const { code, out, err } = await berth(["import", "distribution", root], elsewhere);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toContain("eu-west-1");
  expect(err).toContain("us-east-1");
  const ecr = new ECRClient({ region: "eu-west-1", endpoint: here.url, credentials });
  expect((await ecr.send(new DescribeRepositoriesCommand({}))).repositories).toEqual([]);
});

test("what a storage folder only says is there is told, and the rest goes on", async () => {
  const root = world.folder();
  const [good, bad] = [sampleImage("whole"), sampleImage("damaged")];
  distributionStorage(root, "damaged/good", "v1", [good.manifest], blobsOf(good));
  distributionStorage(root, "damaged/bad", "v1", [bad.manifest], blobsOf(bad));
  distributionStorage(root, "damaged/x", "v1", [good.manifest], []);
  const [own = ""] = [...bad.blobs.keys()].filter((digest) => !good.blobs.has(digest));
  const hex = own.slice(7);
  writeFileSync(join(root, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data"), "something else");
  mkdirSync(join(root, "docker/registry/v2/repositories/Wrong_Name/_manifests/tags/v1"), { recursive: true });
  const { code, err, objects, summary } = await berthJson(
    ["import", "distribution", join(root, "docker/registry/v2")],
    env,
  );
  expect({ code, summary }).toMatchObject({ code: 1, summary: { images: 3, copied: 2, failed: 1 } });
  expect(err).toContain('left out: the repository "Wrong_Name"');
  expect(objects.find(({ status }) => status === "FAILED")?.destination).toBe(`${here.host}/damaged/bad:v1`);
  expect(await statusAt("/v2/damaged/bad/manifests/v1")).toBe(404);
});

test("a storage folder of zot: layouts in layouts, shared blobs as links and as empty files", async () => {
  const root = world.folder();
  const [one, two] = [sampleImage("zot one"), sampleImage("zot two")];
  const index = buildIndex("zot");
  await writeImageLayout(join(root, "zot"), one, "v1");
  await writeImageLayout(join(root, "zot", "nested"), two, "v2");
  await writeIndexLayout(join(root, "zot-index"), index, "both");
  const shared = [...one.blobs.keys()].filter((digest) => two.blobs.has(digest));
  expect(shared).not.toEqual([]);
  for (const digest of shared) {
    const path = join("blobs", digest.replace(":", "/"));
    truncateSync(join(root, "zot", "nested", path));
    mkdirSync(dirname(join(root, "_blobstore", path)), { recursive: true });
    linkSync(join(root, "zot", path), join(root, "_blobstore", path));
  }
  const { code, err, summary } = await berthJson(["import", "zot", root, "--prefix", "from"], env);
  expect({ code, err, summary }).toMatchObject({ code: 0, err: "", summary: { images: 3, copied: 3 } });
  expect(await digestAt("from/zot", "v1")).toBe(one.digest);
  expect(await digestAt("from/zot/nested", "v2")).toBe(two.digest);
  expect(await digestAt("from/zot-index", "both")).toBe(index.digest);
  for (const digest of shared) expect(sha256(await here.registry.blob("from/zot/nested", digest))).toBe(digest);
});

test("a copy makes repositories where it is told to, and else says that there is none", async () => {
  const [image, layout] = [sampleImage("made"), join(world.folder(), "layout")];
  await writeImageLayout(layout, image, "v1");
  const args = ["copy", `oci:${layout}`, `${here.host}/made/by-copy`];
  const refused = await berthJson(args, env);
  expect(refused.code).toBe(1);
  expect(refused.objects[0]?.error).toContain("The repository with name 'made/by-copy' does not exist");
  expect(await berthJson([...args, "--create-repositories"], env)).toMatchObject({ code: 0, summary: { copied: 1 } });
  expect(await digestAt("made/by-copy", "v1")).toBe(image.digest);
  const elsewhere = await berthJson(["copy", `oci:${layout}`, "127.0.0.1:1/app", "--create-repositories"], env);
  expect(elsewhere).toMatchObject({ code: 1, err: expect.stringContaining("is neither ECR nor the Berth") });
});

test("another Berth by ECR's API: repositories with their settings, images, untagged ones too, and policies", async () => {
  const source = await world.server();
  const from = clientOf(source);
  const policyText = JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Sid: "all", Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" }],
  });
  const lifecyclePolicyText = JSON.stringify({
    rules: [
      {
        rulePriority: 1,
        selection: { tagStatus: "untagged", countType: "sinceImagePushed", countUnit: "days", countNumber: 14 },
        action: { type: "expire" },
      },
    ],
  });
  await from.send(
    new CreateRepositoryCommand({
      repositoryName: "ecr/app",
      imageTagMutability: "IMMUTABLE",
      imageScanningConfiguration: { scanOnPush: true },
      tags: [{ Key: "team", Value: "api" }],
    }),
  );
  await from.send(new CreateRepositoryCommand({ repositoryName: "ecr/empty" }));
  await from.send(new CreateRepositoryCommand({ repositoryName: "other" }));
  await from.send(new SetRepositoryPolicyCommand({ repositoryName: "ecr/app", policyText }));
  await from.send(new PutLifecyclePolicyCommand({ repositoryName: "ecr/app", lifecyclePolicyText }));
  const [tagged, untagged] = [sampleImage("ecr"), sampleImage("ecr untagged")];
  await pushImage(source.registry, "ecr/app", "v1", tagged);
  await pushImage(source.registry, "ecr/app", untagged.digest, untagged);

  const profiles = join(world.folder(), "credentials");
  writeFileSync(
    profiles,
    `[source]\naws_access_key_id = ${keys.AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${keys.AWS_SECRET_ACCESS_KEY}\n`,
  );
  const args = ["import", "ecr", source.host, "--profile", "source", "--include", "ecr/*", "--untagged"];
  const own = { ...env, AWS_SHARED_CREDENTIALS_FILE: profiles };
  const dry = await berthJson([...args, "--dry-run"], own);
  expect(dry.objects.filter(({ status }) => status === "WOULD_MAKE").map(({ repository }) => repository)).toEqual([
    "ecr/app",
    "ecr/empty",
  ]);
  const to = clientOf(here);
  await expect(to.send(new DescribeRepositoriesCommand({ repositoryNames: ["ecr/app"] }))).rejects.toThrow(
    "does not exist",
  );

  const imported = await berthJson(args, own);
  expect(imported).toMatchObject({ code: 0, err: "", summary: { images: 2, copied: 2, failed: 0 } });
  expect(await digestAt("ecr/app", "v1")).toBe(tagged.digest);
  expect(await digestAt("ecr/app", untagged.digest)).toBe(untagged.digest);
  const { repositories = [] } = await to.send(
    new DescribeRepositoriesCommand({ repositoryNames: ["ecr/app", "ecr/empty"] }),
  );
  const app = repositories.find(({ repositoryName }) => repositoryName === "ecr/app");
  expect(app).toMatchObject({ imageTagMutability: "IMMUTABLE", imageScanningConfiguration: { scanOnPush: true } });
  expect((await to.send(new ListTagsForResourceCommand({ resourceArn: app?.repositoryArn }))).tags).toEqual([
    { Key: "team", Value: "api" },
  ]);
  const policy = await to.send(new GetRepositoryPolicyCommand({ repositoryName: "ecr/app" }));
  expect(JSON.parse(policy.policyText ?? "")).toEqual(JSON.parse(policyText));
  const lifecycle = await to.send(new GetLifecyclePolicyCommand({ repositoryName: "ecr/app" }));
  expect(JSON.parse(lifecycle.lifecyclePolicyText ?? "")).toEqual(JSON.parse(lifecyclePolicyText));
  expect(imported.objects.filter(({ status }) => status === "NOT_TAKEN_OVER")).toHaveLength(1);

  const again = await berthJson(args, own);
  expect(again.summary).toMatchObject({ images: 2, copied: 0, there: 2, sentBlobs: 0 });
  const wrong = await berthJson([...args, "--profile", "none"], own);
  expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining("there is no key pair of the profile none") });
});
