import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { isolateContainersStorage } from "./containers.ts";
import { contains, equal } from "./expect.ts";
import { version } from "./process.ts";

export const name = "podman";
export const installedByCi = true;
export const find = () => version(["podman", "--version"]);

const INSECURE = "--tls-verify=false";

export async function run(world: World): Promise<void> {
  const { check, host } = world;
  const env = await isolateContainersStorage(world);
  const podman = async (args: readonly string[], options: { input?: string; fails?: boolean } = {}) => {
    const { stdout, output } = await world.run(["podman", ...args], { ...options, env });
    // A result stands alone on standard output, beside warnings that a plain user gets; a refusal is on standard error.
    return (options.fails ? output : stdout).trim();
  };
  const id = (image: string) => podman(["image", "inspect", "--format", "{{.Id}}", image]);
  const removeAllImages = () => podman(["rmi", "--all", "--force"]);
  const repository = await world.repository("podman/app");
  let built = "";

  await check("login as AWS", async () => {
    contains(
      await podman(["login", INSECURE, "--username", "AWS", "--password-stdin", host], {
        input: await world.password(),
      }),
      "Login Succeeded",
      "login",
    );
  });
  await check("login with access key id and secret access key", async () => {
    const args = [
      "login",
      INSECURE,
      "--authfile",
      join(world.folder, "keys.json"),
      "--username",
      world.accessKeyId,
      "--password-stdin",
      host,
    ];
    contains(await podman(args, { input: world.secretAccessKey }), "Login Succeeded", "login");
  });
  await check("login with a wrong password is refused", async () => {
    const args = [
      "login",
      INSECURE,
      "--authfile",
      join(world.folder, "wrong.json"),
      "--username",
      "AWS",
      "--password-stdin",
      host,
    ];
    contains(
      await podman(args, { input: "d3Jvbmc=", fails: true }),
      /invalid username\/password|unauthorized/i,
      "login",
    );
  });
  await check("build an image of two layers", async () => {
    await build(podman, `${repository}:v1`, await buildContext(world.folder, "gzip"));
    built = await id(`${repository}:v1`);
  });
  await check("push", async () => {
    await podman(["push", INSECURE, `${repository}:v1`]);
  });
  await check("push in Docker's format", async () => {
    await podman(["push", INSECURE, "--format", "v2s2", `${repository}:v1`, `${repository}:docker`]);
    const { mediaType } = await world.registry.manifest("podman/app", "docker");
    equal(mediaType, "application/vnd.docker.distribution.manifest.v2+json", "media type");
  });
  await check("push with zstd layers", async () => {
    // Layers that Podman has not pushed yet: it would reuse those it knows in another compression.
    const target = `${repository}:zstd`;
    await build(podman, target, await buildContext(world.folder, "zstd"));
    await podman(["push", INSECURE, "--format", "oci", "--compression-format", "zstd", target]);
    const { bytes } = await world.registry.manifest("podman/app", "zstd");
    contains(new TextDecoder().decode(bytes), "layer.v1.tar+zstd", "manifest");
  });
  await check("pull by tag, after removing all local images: the same image id", async () => {
    await removeAllImages();
    await podman(["pull", INSECURE, `${repository}:v1`]);
    equal(await id(`${repository}:v1`), built, "image id");
  });
  await check("pull by digest: the same image id", async () => {
    const { digest } = await world.registry.manifest("podman/app", "v1");
    await removeAllImages();
    await podman(["pull", INSECURE, `${repository}@${digest}`]);
    equal(await id(`${repository}@${digest}`), built, "image id");
  });
  await check("pull of the image with zstd layers", async () => {
    await podman(["pull", INSECURE, `${repository}:zstd`]);
  });
  await check("a manifest list: create, add, push --all, pull", async () => {
    const list = `${repository}:list`;
    await podman(["manifest", "create", list]);
    await podman(["manifest", "add", INSECURE, list, `docker://${repository}:v1`]);
    await podman(["manifest", "push", "--all", INSECURE, list, `docker://${list}`]);
    contains((await world.registry.manifest("podman/app", "list")).mediaType, /index|manifest\.list/, "media type");
    await removeAllImages();
    await podman(["pull", INSECURE, list]);
    equal(await id(list), built, "image id");
  });
  await check("pull without login is refused", async () => {
    const args = ["pull", INSECURE, "--authfile", join(world.folder, "none.json"), `${repository}:v1`];
    await writeFile(join(world.folder, "none.json"), "{}");
    contains(await podman(args, { fails: true }), /authentication required|unauthorized|401|Not Authorized/i, "pull");
  });
}

async function build(
  podman: (args: readonly string[]) => Promise<string>,
  image: string,
  context: string,
): Promise<void> {
  await podman(["build", "--isolation", "chroot", "--network", "host", "--layers", "--tag", image, context]);
}

async function buildContext(folder: string, seed: string): Promise<string> {
  const context = join(folder, `context-${seed}`);
  await mkdir(context);
  await copyFile("/bin/busybox", join(context, "busybox"));
  await writeFile(join(context, "seed"), seed);
  // No RUN: it needs rights that a plain user may lack, and the registry sees no difference.
  await writeFile(join(context, "Dockerfile"), "FROM scratch\nCOPY busybox /bin/busybox\nCOPY seed /data/seed\n");
  return context;
}
