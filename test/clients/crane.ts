import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { contains, equal, holds } from "./expect.ts";
import { buildIndex, sampleImage, tar, writeImageLayout, writeIndexLayout } from "./images.ts";
import { version } from "./process.ts";
import { sha256 } from "./registry.ts";

export const name = "crane";
export const installedByCi = true;
export const find = () => version(["crane", "version"]);

export async function run(world: World): Promise<void> {
  const { check, host, folder } = world;
  const crane = async (...args: string[]) => (await world.run(["crane", ...args])).stdout.trim();
  const refused = async (...args: string[]) => (await world.run(["crane", ...args], { fails: true })).output;
  const repository = await world.repository("crane/app");
  const copied = await world.repository("crane/copied");
  const image = sampleImage("crane");
  const index = buildIndex("crane");
  await writeImageLayout(join(folder, "image"), image, "v1");
  await writeIndexLayout(join(folder, "index"), index, "v1");
  // Crane pushes the file index.json itself, so that has to be the index, not a list that names it.
  await writeFile(join(folder, "index", "index.json"), index.index);

  await check("anonymous is refused", async () => {
    contains(await refused("ls", repository), /401|UNAUTHORIZED|Not Authorized/i, "ls");
    contains(await refused("manifest", `${repository}:v1`), /401|UNAUTHORIZED|Not Authorized/i, "manifest");
    contains(await refused("catalog", host), /401|UNAUTHORIZED|Not Authorized/i, "catalog");
  });
  await check("auth login", async () => {
    const input = await world.password();
    const { output } = await world.run(["crane", "auth", "login", host, "--username", "AWS", "--password-stdin"], {
      input,
    });
    contains(output, "logged in", "login");
  });
  await check("push an image from an OCI layout", async () => {
    contains(await crane("push", join(folder, "image"), `${repository}:v1`), image.digest, "push");
  });
  await check("push an index of two platforms", async () => {
    contains(await crane("push", "--index", join(folder, "index"), `${repository}:two`), index.digest, "push");
  });
  await check("digest, by tag and of one platform", async () => {
    equal(await crane("digest", `${repository}:two`), index.digest, "digest");
    equal(
      await crane("digest", "--platform", "linux/arm64", `${repository}:two`),
      index.images[1]?.digest,
      "digest of arm64",
    );
  });
  await check("manifest and config", async () => {
    equal(sha256(Buffer.from(await crane("manifest", `${repository}:v1`))), image.digest, "manifest");
    equal(JSON.parse(await crane("config", `${repository}:v1`)).architecture, "amd64", "config");
  });
  await check("pull as a tarball, and as an OCI layout with the same digest", async () => {
    await crane("pull", `${repository}:v1`, join(folder, "pulled.tar"));
    await crane("pull", "--format", "oci", `${repository}:two`, join(folder, "pulled"));
    contains(await readFile(join(folder, "pulled", "index.json"), "utf8"), index.digest, "index.json");
  });
  await check("push the tarball: the same config", async () => {
    await crane("push", join(folder, "pulled.tar"), `${repository}:tarball`);
    equal(await crane("config", `${repository}:tarball`), await crane("config", `${repository}:v1`), "config");
  });
  await check("validate --remote: every layer, digest and size", async () => {
    await crane("validate", "--remote", `${repository}:v1`);
    await crane("validate", "--remote", `${repository}:two`);
  });
  await check("export the file system", async () => {
    await crane("export", `${repository}:v1`, join(folder, "files.tar"));
    contains(await readFile(join(folder, "files.tar"), "utf8"), "crane amd64", "exported files");
  });
  await check("copy into another repository, all tags", async () => {
    await crane("copy", "--all-tags", repository, copied);
    equal(await crane("digest", `${copied}:two`), index.digest, "digest");
    equal((await crane("ls", copied)).split("\n"), ["tarball", "two", "v1"], "tags");
  });
  await check("tag", async () => {
    await crane("tag", `${repository}:v1`, "tagged");
    equal(await crane("digest", `${repository}:tagged`), image.digest, "digest");
  });
  await check("append a layer", async () => {
    await mkdir(join(folder, "layer"));
    await writeFile(
      join(folder, "layer.tar"),
      tar([{ path: "appended", bytes: new TextEncoder().encode("appended\n") }]),
    );
    await crane(
      "append",
      "--base",
      `${repository}:v1`,
      "--new_layer",
      join(folder, "layer.tar"),
      "--new_tag",
      `${repository}:appended`,
    );
    const { layers } = JSON.parse(await crane("manifest", `${repository}:appended`));
    equal(layers.length, image.blobs.size, "layers");
  });
  await check("mutate", async () => {
    await crane("mutate", "--label", "team=registry", "--tag", `${repository}:mutated`, `${repository}:v1`);
    equal(JSON.parse(await crane("config", `${repository}:mutated`)).config.Labels, { team: "registry" }, "labels");
  });
  await check("index append", async () => {
    await crane(
      "index",
      "append",
      "--manifest",
      `${repository}:v1`,
      "--manifest",
      `${repository}:mutated`,
      "--tag",
      `${repository}:index`,
    );
    equal(JSON.parse(await crane("manifest", `${repository}:index`)).manifests.length, 2, "manifests");
  });
  await check("flatten and rebase", async () => {
    await crane("flatten", "--tag", `${repository}:flat`, `${repository}:appended`);
    equal(JSON.parse(await crane("manifest", `${repository}:flat`)).layers.length, 1, "layers");
    const bases = ["--old_base", `${repository}:v1`, "--new_base", `${repository}:mutated`];
    await crane("rebase", `${repository}:appended`, ...bases, "--tag", `${repository}:rebased`);
  });
  await check("blob", async () => {
    const [digest, bytes] = [...image.blobs][0] ?? [];
    holds(digest !== undefined && bytes !== undefined, "the image has no blob");
    equal(await crane("blob", `${repository}@${digest}`), new TextDecoder().decode(bytes), "blob");
  });
  await check("ls and catalog", async () => {
    const tags = ["appended", "flat", "index", "mutated", "rebased", "tagged", "tarball", "two", "v1"];
    equal((await crane("ls", repository)).split("\n"), tags, "tags");
    const repositories = (await crane("catalog", host)).split("\n");
    holds(repositories.includes("crane/app") && repositories.includes("crane/copied"), `catalog: ${repositories}`);
  });
  await check("delete by digest", async () => {
    await crane("delete", `${copied}@${index.digest}`);
    contains(await refused("digest", `${copied}:two`), /404|MANIFEST_UNKNOWN/, "digest");
    equal((await crane("ls", copied)).split("\n"), ["tarball", "v1"], "tags");
  });
  await check("delete by tag", async () => {
    await crane("delete", `${copied}:v1`);
    equal(await crane("ls", copied), "tarball", "tags");
  });
}
