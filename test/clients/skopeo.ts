import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateRepositoryCreationTemplateCommand, DeleteRepositoryCreationTemplateCommand } from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { withHelper } from "./credential-helper.ts";
import { contains, equal, holds } from "./expect.ts";
import { buildImage, buildIndex, writeImageLayout, writeIndexLayout } from "./images.ts";
import { version } from "./process.ts";
import { sha256 } from "./registry.ts";

export const name = "skopeo";
export const installedByCi = true;
export const find = () => version(["skopeo", "--version"]);

const INSECURE = { from: "--src-tls-verify=false", to: "--dest-tls-verify=false", only: "--tls-verify=false" };

export async function run(world: World): Promise<void> {
  const { check, host, folder } = world;
  const skopeo = async (...args: string[]) => (await world.run(["skopeo", ...args])).stdout;
  const repository = await world.repository("skopeo/index");
  const index = buildIndex("skopeo");
  const layout = join(folder, "layout");
  await writeIndexLayout(layout, index, "two");
  await trustAnything(folder);

  await check("login", async () => {
    const { output } = await world.run(
      ["skopeo", "login", INSECURE.only, "--username", "AWS", "--password-stdin", host],
      {
        input: await world.password(),
      },
    );
    contains(output, "Login Succeeded", "login");
  });
  await check("login with a wrong password is refused", async () => {
    const command = [
      "skopeo",
      "login",
      INSECURE.only,
      "--authfile",
      join(folder, "wrong"),
      "--username",
      "AWS",
      "--password",
      "d3Jvbmc=",
      host,
    ];
    contains((await world.run(command, { fails: true })).output, /invalid username\/password|unauthorized/i, "login");
  });
  await check("copy an index of two platforms from an OCI layout", async () => {
    await skopeo("copy", "--all", "--preserve-digests", INSECURE.to, `oci:${layout}:two`, `docker://${repository}:two`);
    equal((await world.registry.manifest("skopeo/index", "two")).digest, index.digest, "digest in the registry");
  });
  await check("copy into a repository that a creation template makes", async () => {
    const template = { prefix: "skopeo-made", appliedFor: ["CREATE_ON_PUSH" as const] };
    await world.ecr.send(new CreateRepositoryCreationTemplateCommand(template));
    await skopeo(
      "copy",
      "--all",
      "--preserve-digests",
      INSECURE.to,
      `oci:${layout}:two`,
      `docker://${host}/skopeo-made/app:two`,
    );
    equal((await world.registry.manifest("skopeo-made/app", "two")).digest, index.digest, "digest in the registry");
    await world.ecr.send(new DeleteRepositoryCreationTemplateCommand({ prefix: template.prefix }));
    const refused = [
      "skopeo",
      "copy",
      "--all",
      INSECURE.to,
      `oci:${layout}:two`,
      `docker://${host}/skopeo-none/app:two`,
    ];
    contains(
      (await world.run(refused, { fails: true })).output,
      /name.unknown|does not exist/i,
      "push beside the template",
    );
  });
  await check("copy it back to an OCI layout: identical digests, every blob there", async () => {
    const back = join(folder, "back");
    await skopeo("copy", "--all", "--preserve-digests", INSECURE.from, `docker://${repository}:two`, `oci:${back}:two`);
    await compareLayouts(layout, back);
  });
  await check("inspect without a login, by the credential helper", async () => {
    const authFile = join(folder, "helper", "auth.json");
    const env = await withHelper(world, authFile);
    const command = ["skopeo", "inspect", "--raw", INSECURE.only, "--authfile", authFile, `docker://${repository}:two`];
    equal(sha256(Buffer.from((await world.run(command, { env })).stdout)), index.digest, "digest");
    const output = (await world.run(command, { env: { ...env, AWS_ACCESS_KEY_ID: "WRONG" }, fails: true })).output;
    contains(output, "UnrecognizedClientException", "without a good key pair");
  });
  await check("copy one platform by digest", async () => {
    const image = index.images[1];
    holds(image !== undefined, "no second image");
    const back = join(folder, "one");
    await skopeo(
      "copy",
      "--preserve-digests",
      INSECURE.from,
      `docker://${repository}@${image.digest}`,
      `oci:${back}:one`,
    );
    contains(await readFile(join(back, "index.json"), "utf8"), image.digest, "index.json");
  });
  await check("inspect, inspect --raw, inspect --config", async () => {
    const shown = JSON.parse(await skopeo("inspect", INSECURE.only, `docker://${repository}:two`));
    equal([shown.Digest, shown.RepoTags], [index.digest, ["two"]], "inspect");
    equal(
      sha256(Buffer.from(await skopeo("inspect", "--raw", INSECURE.only, `docker://${repository}:two`))),
      index.digest,
      "raw",
    );
    equal(
      JSON.parse(await skopeo("inspect", "--config", INSECURE.only, `docker://${repository}:two`)).os,
      "linux",
      "config",
    );
  });
  await check("copy as Docker schema 2", async () => {
    await skopeo("copy", "--format", "v2s2", INSECURE.to, `oci:${layout}:two`, `docker://${repository}:docker`);
    const { mediaType } = await world.registry.manifest("skopeo/index", "docker");
    equal(mediaType, "application/vnd.docker.distribution.manifest.v2+json", "media type");
  });
  await check("copy an index as a Docker manifest list", async () => {
    await skopeo("copy", "--all", "--format", "v2s2", INSECURE.to, `oci:${layout}:two`, `docker://${repository}:list`);
    const { mediaType } = await world.registry.manifest("skopeo/index", "list");
    equal(mediaType, "application/vnd.docker.distribution.manifest.list.v2+json", "media type");
  });
  await check("schema 1 is refused with a clear word", async () => {
    const command = [
      "skopeo",
      "copy",
      "--format",
      "v2s1",
      INSECURE.to,
      `oci:${layout}:two`,
      `docker://${repository}:old`,
    ];
    const { output } = await world.run(command, { fails: true });
    contains(output, "schema 1 is not supported", "copy");
  });
  await check("copy with zstd layers, and back", async () => {
    // Layers that skopeo has never seen: it would reuse those it knows in another compression.
    const fresh = join(folder, "fresh");
    const bytes = new TextEncoder().encode(`${"only here ".repeat(5_000)}\n`);
    await writeImageLayout(fresh, buildImage([[{ path: "fresh", bytes }]]), "one");
    const zstd = ["--dest-compress", "--dest-compress-format", "zstd"];
    await skopeo("copy", "--format", "oci", ...zstd, INSECURE.to, `oci:${fresh}:one`, `docker://${repository}:zstd`);
    const { bytes: manifest } = await world.registry.manifest("skopeo/index", "zstd");
    contains(new TextDecoder().decode(manifest), "layer.v1.tar+zstd", "manifest");
    await skopeo("copy", INSECURE.from, `docker://${repository}:zstd`, `oci:${join(folder, "zstd")}:zstd`);
  });
  await check("copy between two repositories", async () => {
    const other = await world.repository("skopeo/other");
    await skopeo(
      "copy",
      "--all",
      "--preserve-digests",
      INSECURE.from,
      INSECURE.to,
      `docker://${repository}:two`,
      `docker://${other}:two`,
    );
    equal((await world.registry.manifest("skopeo/other", "two")).digest, index.digest, "digest");
  });
  await check("sync all tags of a repository into a folder", async () => {
    const target = join(folder, "synced");
    await mkdir(target);
    await skopeo(
      "sync",
      "--all",
      "--src",
      "docker",
      "--dest",
      "dir",
      INSECURE.from,
      `${world.host}/skopeo/other`,
      target,
    );
  });
  await check("list-tags", async () => {
    const { Tags } = JSON.parse(await skopeo("list-tags", INSECURE.only, `docker://${repository}`));
    equal(Tags, ["docker", "list", "two", "zstd"], "tags");
  });
  await check("delete: a child of a list stays until the list is gone", async () => {
    const { output } = await world.run(["skopeo", "delete", INSECURE.only, `docker://${repository}:docker`], {
      fails: true,
    });
    contains(output, "Requested image referenced by manifest list: [sha256:", "delete");
    await skopeo("delete", INSECURE.only, `docker://${repository}:list`);
    await skopeo("delete", INSECURE.only, `docker://${repository}:docker`);
    const { Tags } = JSON.parse(await skopeo("list-tags", INSECURE.only, `docker://${repository}`));
    equal(Tags, ["two", "zstd"], "tags");
  });
  await check("a missing repository is named", async () => {
    const command = ["skopeo", "copy", INSECURE.to, `oci:${layout}:two`, `docker://${host}/skopeo/none:v1`];
    const { output } = await world.run(command, { fails: true });
    contains(
      output,
      `The repository with name 'skopeo/none' does not exist in the registry with id '${world.account}'`,
      "copy",
    );
  });
}

/** Skopeo refuses to copy without a policy file, which a bare installation lacks. */
async function trustAnything(home: string): Promise<void> {
  const folder = join(home, ".config", "containers");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "policy.json"), JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
}

async function compareLayouts(one: string, other: string): Promise<void> {
  const list = async (folder: string) => Array.fromAsync(new Bun.Glob("*").scan(join(folder, "blobs", "sha256")));
  const names = (await list(one)).sort();
  equal((await list(other)).sort(), names, "blobs");
  for (const blob of names) {
    const bytes = await readFile(join(other, "blobs", "sha256", blob));
    equal(sha256(bytes), `sha256:${blob}`, "content of a blob");
  }
  const entry = async (folder: string) =>
    JSON.parse(await readFile(join(folder, "index.json"), "utf8")).manifests[0].digest;
  equal(await entry(other), await entry(one), "digest of the index");
}
