import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { contains, equal, holds, present } from "./expect.ts";
import { version } from "./process.ts";
import { sha256 } from "./registry.ts";

export const name = "oras";
export const installedByCi = true;
export const find = () => version(["oras", "version"]);

const SBOM = "application/vnd.example.sbom.v1+json";
const SIGNATURE = "application/vnd.example.signature.v1";

export async function run(world: World): Promise<void> {
  const { check, host, folder } = world;
  const http = "--plain-http";
  const oras = async (args: readonly string[], options: { input?: string; fails?: boolean } = {}) =>
    (await world.run(["oras", ...args], options)).output.trim();
  const json = async (args: readonly string[]) =>
    JSON.parse((await world.run(["oras", ...args, "--format", "json"])).stdout);
  const discover = async (reference: string, ...filter: string[]) =>
    (await json(["discover", http, ...filter, reference])).manifests as { digest: string; artifactType: string }[];
  const repository = await world.repository("oras/artifact");
  const copied = await world.repository("oras/copied");
  for (const file of ["data.txt", "sbom.json", "signature"])
    await writeFile(join(folder, file), `contents of ${file}\n`);
  let digest = "";
  let sbom = "";

  await check("login as AWS", async () => {
    contains(
      await oras(["login", http, "--username", "AWS", "--password-stdin", host], { input: await world.password() }),
      "Login Succeeded",
      "login",
    );
  });
  await check("login with a wrong password is refused", async () => {
    const args = [
      "login",
      http,
      "--registry-config",
      join(folder, "wrong.json"),
      "--username",
      "AWS",
      "--password-stdin",
      host,
    ];
    contains(await oras(args, { input: "d3Jvbmc=", fails: true }), /401|unauthorized/i, "login");
  });
  await check("push an artifact", async () => {
    const pushed = await json([
      "push",
      http,
      `${repository}:v1,latest`,
      "--artifact-type",
      "application/vnd.example.data",
      "data.txt:text/plain",
    ]);
    digest = present(pushed.digest, "digest");
    equal((await world.registry.manifest("oras/artifact", "latest")).digest, digest, "digest in the registry");
  });
  await check("pull it: the same bytes", async () => {
    await oras(["pull", http, "--output", join(folder, "pulled"), `${repository}:v1`]);
    equal(await Bun.file(join(folder, "pulled", "data.txt")).text(), "contents of data.txt\n", "file");
  });
  await check("attach two referrers, and a referrer to a referrer", async () => {
    sbom = (await json(["attach", http, "--artifact-type", SBOM, `${repository}:v1`, "sbom.json"])).digest;
    await json(["attach", http, "--artifact-type", SIGNATURE, `${repository}@${digest}`, "signature"]);
    await json(["attach", http, "--artifact-type", SIGNATURE, `${repository}@${sbom}`, "signature"]);
  });
  await check("discover them through the referrers API, not the tag fall-back", async () => {
    const found = await discover(`${repository}:v1`, "--distribution-spec", "v1.1-referrers-api");
    equal(found.map(({ artifactType }) => artifactType).sort(), [SBOM, SIGNATURE], "artifact types");
    equal((await oras(["repo", "tags", http, repository])).split("\n"), ["latest", "v1"], "tags");
  });
  await check("discover with a filter on the artifact type", async () => {
    const found = await discover(`${repository}:v1`, "--artifact-type", SBOM);
    equal(
      found.map((referrer) => referrer.digest),
      [sbom],
      "referrers",
    );
  });
  await check("discover as a tree", async () => {
    contains(await oras(["discover", http, "--format", "tree", `${repository}:v1`]), SIGNATURE, "tree");
  });
  await check("copy -r into another repository, with the referrers of referrers", async () => {
    await oras(["copy", "--recursive", "--from-plain-http", "--to-plain-http", `${repository}:v1`, `${copied}:v1`]);
    equal((await discover(`${copied}:v1`)).length, 2, "referrers");
    equal((await discover(`${copied}@${sbom}`)).length, 1, "referrers of the referrer");
  });
  await check("copy -r to an OCI layout and back into a third repository", async () => {
    const layout = join(folder, "layout");
    const third = await world.repository("oras/third");
    await oras(["copy", "--recursive", "--from-plain-http", "--to-oci-layout", `${repository}:v1`, `${layout}:v1`]);
    await oras(["copy", "--recursive", "--from-oci-layout", "--to-plain-http", `${layout}:v1`, `${third}:v1`]);
    equal((await discover(`${third}:v1`)).length, 2, "referrers");
  });
  await check("resolve and manifest fetch, with descriptor", async () => {
    equal(await oras(["resolve", http, `${repository}:v1`]), digest, "resolve");
    const { stdout } = await world.run(["oras", "manifest", "fetch", http, `${repository}:v1`]);
    equal(sha256(Buffer.from(stdout)), digest, "manifest");
    equal(
      JSON.parse(await oras(["manifest", "fetch", http, "--descriptor", `${repository}:v1`])).digest,
      digest,
      "descriptor",
    );
  });
  await check("manifest push and fetch-config", async () => {
    const { stdout } = await world.run(["oras", "manifest", "fetch", http, `${repository}:v1`]);
    await writeFile(join(folder, "manifest.json"), stdout);
    contains(await oras(["manifest", "push", http, `${repository}:again`, "manifest.json"]), digest, "push");
    equal(await oras(["manifest", "fetch-config", http, `${repository}:v1`]), "{}", "config");
  });
  await check("tag", async () => {
    await oras(["tag", http, `${repository}:v1`, "stable", "production"]);
    equal(await oras(["resolve", http, `${repository}:production`]), digest, "resolve");
  });
  await check("blob push, fetch, delete", async () => {
    const bytes = "a blob of its own\n";
    const blob = `${repository}@${sha256(Buffer.from(bytes))}`;
    await writeFile(join(folder, "blob"), bytes);
    await oras(["blob", "push", http, blob, "blob"]);
    equal((await world.run(["oras", "blob", "fetch", http, "--output", "-", blob])).stdout, bytes, "blob");
    await oras(["blob", "delete", http, "--force", blob]);
    await oras(["blob", "fetch", http, "--output", "-", blob], { fails: true });
  });
  await check("repo ls and repo tags", async () => {
    const repositories = (await oras(["repo", "ls", http, host])).split("\n");
    holds(
      ["oras/artifact", "oras/copied"].every((one) => repositories.includes(one)),
      `repositories: ${repositories}`,
    );
    equal(
      (await oras(["repo", "tags", http, repository])).split("\n"),
      ["again", "latest", "production", "stable", "v1"],
      "tags",
    );
  });
  await check("manifest delete", async () => {
    await oras(["manifest", "delete", http, "--force", `${copied}@${digest}`]);
    contains(await oras(["resolve", http, `${copied}:v1`], { fails: true }), "not found", "resolve");
  });
}
