import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateRepositoryCreationTemplateCommand, DeleteRepositoryCreationTemplateCommand } from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { withHelper } from "./credential-helper.ts";
import { buildBusybox, type Docker, findDocker, imageId, push, removeAllImages, startDaemon } from "./dockerd.ts";
import { contains, equal, holds } from "./expect.ts";

export const name = "docker";
export const installedByCi = true;
// dockerd mounts and makes namespaces.
export const needsRoot = true;
export const timeoutMs = 420_000;

const MIB = 1024 * 1024;

export const find = findDocker;

export async function run(world: World): Promise<void> {
  const docker = await startDaemon(world);
  await checkLogins(world, docker);
  await checkSmallImage(world, docker);
  await checkRefusals(world, docker);
  await checkParallelPushes(world, docker);
  await checkManifestList(world, docker);
  await checkDebianTree(world, docker);
}

async function checkLogins({ check, password, host, ...world }: World, docker: Docker): Promise<void> {
  const login = (user: string, input: string, config: string, fails = false) =>
    docker(["login", "--username", user, "--password-stdin", host], { input, config, fails });

  await check("login as AWS with the password of `aws ecr get-login-password`", async () => {
    contains(
      await login("AWS", await loginPassword({ ...world, check, password, host }), "config"),
      "Login Succeeded",
      "login",
    );
  });
  await check("login with access key id and secret access key", async () => {
    contains(await login(world.accessKeyId, world.secretAccessKey, "keys"), "Login Succeeded", "login");
  });
  await check("a wrong password is refused", async () => {
    contains(await login("AWS", "d3Jvbmc=", "wrong", true), /401|unauthorized|Not Authorized/i, "login");
  });
  await check("a wrong secret access key is refused", async () => {
    contains(await login(world.accessKeyId, "wrong", "wrong", true), /401|unauthorized|Not Authorized/i, "login");
  });
}

async function loginPassword(world: World): Promise<string> {
  if (Bun.which("aws") === null) return world.password();
  return (await world.run(["aws", "ecr", "get-login-password"])).stdout;
}

async function checkSmallImage(world: World, docker: Docker): Promise<void> {
  const { check } = world;
  const repository = await world.repository("docker/small");
  let id = "";
  let digest = "";

  const built = await check("build FROM scratch with RUN steps", async () => {
    id = await imageId(docker, await buildBusybox(world, docker, "small"));
  });
  if (!built) return;
  await check("push", async () => {
    const output = await push(docker, "built:small", `${repository}:v1`);
    digest = /digest: (sha256:[0-9a-f]{64})/.exec(output)?.[1] ?? "";
    holds(digest !== "", `no digest in ${output}`);
    equal((await world.registry.manifest("docker/small", "v1")).digest, digest, "digest in the registry");
  });
  await check("push again: every layer is known", async () => {
    const output = await docker(["push", `${repository}:v1`]);
    equal(output.match(/Layer already exists/g)?.length, 3, "layers known");
  });
  await check("push with the other login", async () => {
    await push(docker, "built:small", `${repository}:by-key`, { config: "keys" });
  });
  await check("push without a login, by the credential helper", async () => {
    const env = await withHelper(world, join(world.folder, "docker", "helper", "config.json"));
    await push(docker, "built:small", `${repository}:by-helper`, { config: "helper", env });
    equal((await world.registry.manifest("docker/small", "by-helper")).digest, digest, "digest in the registry");
  });
  await check("push into a second repository mounts the layers", async () => {
    const target = await world.repository("docker/mounted");
    contains(await push(docker, "built:small", `${target}:v1`), "Mounted from docker/small", "push");
  });
  await check("push into a repository that a creation template makes", async () => {
    const template = { prefix: "docker-made", appliedFor: ["CREATE_ON_PUSH" as const] };
    await world.ecr.send(new CreateRepositoryCreationTemplateCommand(template));
    await push(docker, "built:small", `${world.host}/docker-made/app:v1`);
    equal((await world.registry.manifest("docker-made/app", "v1")).digest, digest, "digest in the registry");
    await world.ecr.send(new DeleteRepositoryCreationTemplateCommand({ prefix: template.prefix }));
  });
  await check("pull by tag, after removing all local images: the same image id, and it runs", async () => {
    await removeAllImages(docker);
    await docker(["pull", `${repository}:v1`]);
    equal(await imageId(docker, `${repository}:v1`), id, "image id");
    equal(await docker(["run", "--rm", "--network", "none", `${repository}:v1`]), "small", "output of the container");
  });
  await check("pull by digest: the same image id", async () => {
    await removeAllImages(docker);
    await docker(["pull", `${repository}@${digest}`]);
    equal(await imageId(docker, `${repository}@${digest}`), id, "image id");
  });
  await check("pull without login is refused", async () => {
    const output = await docker(["pull", `${repository}:v1`], { config: "anonymous", fails: true });
    contains(output, /no basic auth credentials|unauthorized|Not Authorized/i, "pull");
  });
  await check("pull of a tag that does not exist", async () => {
    contains(
      await docker(["pull", `${repository}:none`], { fails: true }),
      /manifest unknown|Requested image not found/,
      "pull",
    );
  });
}

async function checkRefusals(world: World, docker: Docker): Promise<void> {
  const { check, host, account } = world;
  await check("push to a repository that does not exist says what ECR says", async () => {
    const output = await push(docker, await buildBusybox(world, docker, "first"), `${host}/docker/none:v1`, {
      fails: true,
    });
    contains(
      output,
      `The repository with name 'docker/none' does not exist in the registry with id '${account}'`,
      "push",
    );
  });
  await check("pushing over an immutable tag says what ECR says", async () => {
    const repository = await world.repository("docker/immutable", { imageTagMutability: "IMMUTABLE" });
    await push(docker, "built:first", `${repository}:v1`);
    const output = await push(docker, await buildBusybox(world, docker, "second"), `${repository}:v1`, { fails: true });
    const expected =
      "The image tag 'v1' already exists in the 'docker/immutable' repository and cannot be overwritten because the tag is immutable.";
    contains(output, expected, "push");
  });
}

async function checkParallelPushes(world: World, docker: Docker): Promise<void> {
  const repository = await world.repository("docker/parallel");
  await world.check("six pushes at the same time into one repository", async () => {
    const seeds = ["p1", "p2", "p3", "p4", "p5", "p6"];
    const ids = new Map<string, string>();
    for (const seed of seeds) ids.set(seed, await imageId(docker, await buildBusybox(world, docker, seed)));
    await Promise.all(seeds.map((seed) => push(docker, `built:${seed}`, `${repository}:${seed}`)));
    await removeAllImages(docker);
    await Promise.all(seeds.map((seed) => docker(["pull", `${repository}:${seed}`])));
    for (const seed of seeds)
      equal(await imageId(docker, `${repository}:${seed}`), ids.get(seed), `image id of ${seed}`);
  });
}

async function checkManifestList(world: World, docker: Docker): Promise<void> {
  await world.check("docker manifest: create, push and inspect a list", async () => {
    const list = `${world.host}/docker/parallel:list`;
    await docker([
      "manifest",
      "create",
      "--insecure",
      list,
      `${world.host}/docker/parallel:p1`,
      `${world.host}/docker/parallel:p2`,
    ]);
    await docker(["manifest", "push", "--insecure", list]);
    contains(await docker(["manifest", "inspect", "--insecure", list]), "manifest.list.v2+json", "inspect");
  });
}

async function checkDebianTree(world: World, docker: Docker): Promise<void> {
  const { check } = world;
  if (Bun.which("debootstrap") === null) return world.skip("a Debian tree of over 300 MB", "debootstrap is not found");
  const image = "built:debian";
  const repository = await world.repository("docker/debian");
  let id = "";

  const built = await check("build a Debian tree of over 300 MB in four layers", async () => {
    const context = await debianContext(world);
    await docker(["build", "--network", "none", "--tag", image, context], { timeoutMs: 240_000 });
    id = await imageId(docker, image);
    const size = Number(await docker(["image", "inspect", "--format", "{{.Size}}", image]));
    const layers = Number(await docker(["image", "inspect", "--format", "{{len .RootFS.Layers}}", image]));
    holds(size > 300 * MIB, `the image has only ${size} bytes`);
    holds(layers >= 3, `the image has only ${layers} layers`);
    world.note(`${(size / MIB).toFixed(0)} MiB in ${layers} layers`);
  });
  if (!built) return;
  await check("push the Debian tree", async () => {
    await push(docker, image, `${repository}:bookworm`);
  });
  await check("pull the Debian tree: the same image id, and it runs", async () => {
    await removeAllImages(docker);
    await docker(["pull", `${repository}:bookworm`], { timeoutMs: 240_000 });
    equal(await imageId(docker, `${repository}:bookworm`), id, "image id");
    const output = await docker([
      "run",
      "--rm",
      "--network",
      "none",
      `${repository}:bookworm`,
      "grep",
      "-c",
      "^ii",
      "/packages",
    ]);
    holds(Number(output) > 50, `dpkg in the container knows ${output} packages`);
  });
  await check("DescribeImages agrees about its size", async () => {
    const { DescribeImagesCommand } = await import("@aws-sdk/client-ecr");
    const { imageDetails } = await world.ecr.send(new DescribeImagesCommand({ repositoryName: "docker/debian" }));
    const size = imageDetails?.[0]?.imageSizeInBytes ?? 0;
    holds(size > 60 * MIB && size < 300 * MIB, `imageSizeInBytes is ${size}`);
  });
}

/** The parts of a Debian system, one archive for each layer; made once and kept, because that takes a minute. */
const DEBIAN_LAYERS = {
  "base.tar": ["--exclude=./usr", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "."],
  "lib.tar": ["./usr/lib"],
  "usr.tar": ["--exclude=./usr/lib", "./usr"],
};

async function debianContext(world: World): Promise<string> {
  const context = join(world.cache, "debian-bookworm-gcc");
  if (!(await stat(context).catch(() => undefined))) {
    // Renamed into place when complete, so that an interrupted run leaves nothing that looks finished.
    const making = `${context}.${process.pid}`;
    const tree = join(making, "tree");
    await mkdir(making, { recursive: true });
    try {
      const command = ["debootstrap", "--variant=minbase", "--include=gcc,python3", "bookworm", tree];
      await world.run(command, { timeoutMs: 300_000 });
      await rm(join(tree, "var/cache/apt"), { recursive: true, force: true });
      for (const [file, what] of Object.entries(DEBIAN_LAYERS)) {
        await world.run(["tar", "--create", "--file", join(making, file), "--directory", tree, ...what]);
      }
      await rm(tree, { recursive: true });
      await rename(making, context);
    } finally {
      await rm(making, { recursive: true, force: true });
    }
  }
  await writeFile(
    join(context, "Dockerfile"),
    `FROM scratch
ADD base.tar /
ADD lib.tar /
ADD usr.tar /
RUN dpkg --list > /packages
CMD ["cat", "/etc/debian_version"]
`,
  );
  return context;
}
