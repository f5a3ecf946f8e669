import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  CreateRepositoryCommand,
  ECRClient,
  GetAuthorizationTokenCommand,
  SetRepositoryPolicyCommand,
} from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { buildBusybox, type Docker, findDocker, imageId, push, removeAllImages, startDaemon } from "./dockerd.ts";
import { contains, equal } from "./expect.ts";
import { pushImage, sampleImage } from "./images.ts";
import { version } from "./process.ts";
import { openRegistry } from "./registry.ts";
import { startServer } from "./server.ts";

/** Public repositories, and signing in by the token protocol, with Docker and skopeo. */
export const name = "public";
export const installedByCi = true;
export const needsRoot = true;

export async function find(): Promise<string | undefined> {
  const [docker, skopeo] = [await findDocker(), await version(["skopeo", "--version"])];
  return docker && skopeo ? `Docker ${docker}, skopeo ${skopeo}` : undefined;
}

interface Scene {
  /** On a server with public access. */
  readonly world: World;
  readonly docker: Docker;
  /** A repository that everybody may pull from, and one that they may not. */
  readonly open: string;
  readonly closed: string;
  password(): Promise<string>;
}

export async function run(world: World): Promise<void> {
  const scene = await prepare(world);
  await signIn(scene);
  await pullWithoutSigningIn(scene);
  await skopeo(scene);
}

async function prepare(world: World): Promise<Scene> {
  const folder = join(world.folder, "server");
  await mkdir(folder);
  const { host, url, stop } = await startServer(folder, { BERTH_PUBLIC_ACCESS: "true" });
  world.atEnd(stop);
  const { accessKeyId, secretAccessKey, region } = world;
  const ecr = new ECRClient({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey } });
  const registry = openRegistry(url, accessKeyId, secretAccessKey);
  for (const repositoryName of ["open", "closed"]) await ecr.send(new CreateRepositoryCommand({ repositoryName }));
  const policyText = JSON.stringify({
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Principal: "*", Action: ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] },
  });
  await ecr.send(new SetRepositoryPolicyCommand({ repositoryName: "open", policyText }));
  for (const repository of ["open", "closed"]) {
    equal((await pushImage(registry, repository, "sample", sampleImage(repository))).status, 201, "push");
  }
  const here: World = { ...world, host, url, ecr, registry };
  return {
    world: here,
    docker: await startDaemon(here),
    open: `${host}/open`,
    closed: `${host}/closed`,
    async password() {
      const { authorizationData } = await ecr.send(new GetAuthorizationTokenCommand({}));
      const pair = Buffer.from(authorizationData?.[0]?.authorizationToken ?? "", "base64").toString();
      return pair.slice("AWS:".length);
    },
  };
}

async function signIn({ world, docker, closed, password }: Scene): Promise<void> {
  const { check, host } = world;
  const login = (user: string, input: string, config: string, fails = false) =>
    docker(["login", "--username", user, "--password-stdin", host], { input, config, fails });

  await check("docker login by token: as AWS, and with a key pair", async () => {
    contains(await login("AWS", await password(), "config"), "Login Succeeded", "login");
    contains(await login(world.accessKeyId, world.secretAccessKey, "keys"), "Login Succeeded", "login");
  });
  await check("docker login by token: wrong passwords are refused", async () => {
    for (const user of ["AWS", world.accessKeyId, "nobody"]) {
      contains(await login(user, "d3Jvbmc=", "wrong", true), /401|unauthorized|Not Authorized/i, "login");
    }
  });
  await check("docker pushes to and pulls from a private repository", async () => {
    const built = await buildBusybox(world, docker, "public");
    const id = await imageId(docker, built);
    await push(docker, built, `${closed}:built`);
    await removeAllImages(docker);
    await docker(["pull", `${closed}:built`]);
    equal(await imageId(docker, `${closed}:built`), id, "image id");
  });
}

async function pullWithoutSigningIn({ world: { check }, docker, open, closed }: Scene): Promise<void> {
  const anonymous = { config: "anonymous" };
  await check("docker pulls from a public repository with no login", async () => {
    await docker(["pull", `${open}:sample`], anonymous);
  });
  await check("docker is denied a private repository, and one that is not there, with the same words", async () => {
    const refused = async (image: string) => {
      const said = await docker(["pull", `${image}:sample`], { ...anonymous, fails: true });
      contains(said, "User: anonymous is not authorized to perform: ecr:BatchGetImage", "pull");
      return said.replaceAll(image, "IMAGE").replaceAll(/repository\/\w+/g, "repository/NAME");
    };
    equal(await refused(closed), await refused(open.replace(/open$/, "nowhere")), "what is said");
  });
  await check("docker cannot push to a public repository with no login", async () => {
    await docker(["tag", `${open}:sample`, `${open}:mine`]);
    const said = await docker(["push", `${open}:mine`], { ...anonymous, fails: true });
    contains(said, /denied|not authorized|unauthorized|no basic auth/i, "push");
  });
}

async function skopeo({ world, open, closed, password }: Scene): Promise<void> {
  const { check, folder } = world;
  const run = async (args: readonly string[], fails = false) => {
    const authFile = ["--authfile", join(folder, "no-auth.json")];
    const [command = "", ...rest] = args;
    const ran = await world.run(["skopeo", "--insecure-policy", command, ...authFile, ...rest], { fails });
    return fails ? ran.output : ran.stdout;
  };
  await check("skopeo copies from a public repository with no login", async () => {
    await run(["copy", "--src-tls-verify=false", `docker://${open}:sample`, `oci:${join(folder, "public")}:sample`]);
  });
  await check("skopeo is denied a private one, and reads it with a password", async () => {
    const inspect = ["inspect", "--tls-verify=false", "--no-tags"];
    contains(await run([...inspect, `docker://${closed}:sample`], true), /denied|not authorized/i, "inspect");
    const shown = await run([...inspect, "--creds", `AWS:${await password()}`, `docker://${closed}:sample`]);
    contains(shown, "sha256:", "inspect");
  });
}
