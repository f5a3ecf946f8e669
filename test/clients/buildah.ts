import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { isolateContainersStorage } from "./containers.ts";
import { contains, equal, present } from "./expect.ts";
import { version } from "./process.ts";

export const name = "buildah";
export const installedByCi = true;
export const find = () => version(["buildah", "--version"]);

const INSECURE = "--tls-verify=false";

export async function run(world: World): Promise<void> {
  const { check, host } = world;
  const env = await isolateContainersStorage(world);
  const buildah = async (args: readonly string[], options: { input?: string; fails?: boolean } = {}) => {
    const { stdout, output } = await world.run(["buildah", ...args], { ...options, env });
    // A result stands alone on standard output, beside warnings that a plain user gets; a refusal is on standard error.
    return (options.fails ? output : stdout).trim();
  };
  const id = (image: string) => buildah(["inspect", "--type", "image", "--format", "{{.FromImageID}}", image]);
  const repository = await world.repository("buildah/app");
  const architectures = ["amd64", "arm64"];

  await check("login as AWS", async () => {
    const input = await world.password();
    contains(
      await buildah(["login", INSECURE, "--username", "AWS", "--password-stdin", host], { input }),
      "Login Succeeded",
      "login",
    );
  });
  await check("build two images from scratch", async () => {
    for (const architecture of architectures)
      await buildFromScratch(world, buildah, architecture, `${repository}:${architecture}`);
  });
  await check("push both", async () => {
    for (const architecture of architectures) await buildah(["push", INSECURE, `${repository}:${architecture}`]);
  });
  await check("pull one after removing it: the same image id", async () => {
    const before = await id(`${repository}:amd64`);
    await buildah(["rmi", "--force", `${repository}:amd64`]);
    await buildah(["pull", INSECURE, `${repository}:amd64`]);
    equal(await id(`${repository}:amd64`), before, "image id");
  });
  await check("manifest create, add, push --all: an index of two platforms", async () => {
    const list = `${repository}:multi`;
    await buildah(["manifest", "create", list]);
    for (const architecture of architectures) {
      await buildah(["manifest", "add", INSECURE, list, `docker://${repository}:${architecture}`]);
    }
    await buildah(["manifest", "push", "--all", INSECURE, list, `docker://${list}`]);
    const { bytes } = await world.registry.manifest("buildah/app", "multi");
    const { manifests } = JSON.parse(new TextDecoder().decode(bytes));
    const pushed = manifests.map((entry: { platform?: { architecture?: string } }) =>
      present(entry.platform?.architecture, "architecture"),
    );
    equal(pushed.sort(), architectures, "platforms");
  });
  await check("pull by digest", async () => {
    const { digest } = await world.registry.manifest("buildah/app", "amd64");
    await buildah(["pull", INSECURE, `${repository}@${digest}`]);
  });
  await check("push to a repository that does not exist says what ECR says", async () => {
    const output = await buildah(["push", INSECURE, `${repository}:amd64`, `docker://${host}/buildah/none:v1`], {
      fails: true,
    });
    contains(
      output,
      `The repository with name 'buildah/none' does not exist in the registry with id '${world.account}'`,
      "push",
    );
  });
}

async function buildFromScratch(
  world: World,
  buildah: (args: readonly string[]) => Promise<string>,
  architecture: string,
  image: string,
): Promise<void> {
  const file = join(world.folder, architecture);
  await writeFile(file, `made for ${architecture}\n`.repeat(5_000));
  const container = await buildah(["from", "--arch", architecture, "scratch"]);
  await buildah(["copy", container, file, "/made-for"]);
  await buildah(["config", "--arch", architecture, "--os", "linux", "--label", `made-for=${architecture}`, container]);
  await buildah(["commit", "--format", "oci", "--rm", container, image]);
}
