import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CreatePullThroughCacheRuleCommand, CreateRepositoryCommand, ECRClient } from "@aws-sdk/client-ecr";
import { distribution } from "../../bench/peers/distribution.ts";
import type { PeerKind } from "../../bench/peers/peer.ts";
import { zot } from "../../bench/peers/zot.ts";
import type { World } from "./client.ts";
import { type Docker, findDocker, startDaemon } from "./dockerd.ts";
import { contains, equal } from "./expect.ts";
import { buildImage, buildIndex, writeImageLayout, writeIndexLayout } from "./images.ts";
import { version } from "./process.ts";
import { ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, type Server, startServer } from "./server.ts";

export const name = "pull-through";
export const installedByCi = true;
// dockerd mounts and makes namespaces.
export const needsRoot = true;
export const timeoutMs = 420_000;

/** Docker and skopeo pull through caches before real registries on this machine: Distribution, zot and another Berth. */
export async function find(): Promise<string | undefined> {
  const [docker, skopeo] = [await findDocker(), await version(["skopeo", "--version"])];
  const missing = [distribution, zot].some((kind) => "missing" in kind.find());
  return docker && skopeo && !missing ? `${docker}, ${skopeo}, docker-registry, zot` : undefined;
}

/** A registry that a cache stands before. */
interface Upstream {
  readonly kind: string;
  readonly host: string;
  /** How skopeo signs in there. */
  readonly credentials: readonly string[];
  stop(): Promise<void>;
}

export async function run(world: World): Promise<void> {
  const upstreams = [
    await startPeer(world, distribution),
    await startPeer(world, zot),
    await startOtherBerth(world, join(world.folder, "other")),
  ];
  const mirrors = upstreams.map(({ host }, index) => {
    const [, pair] = upstreams[index]?.credentials ?? [];
    const userinfo = pair ? `${encodePair(pair)}@` : "";
    return `${mirrored[index]}=http://${userinfo}${host}`;
  });
  const folder = join(world.folder, "cache");
  await mkdir(folder);
  const cache = await startServer(folder, { BERTH_PULL_THROUGH_MIRRORS: mirrors.join(",") });
  world.atEnd(() => cache.stop());
  const docker = await startDaemon(world);
  const ecr = ecrOf(cache);
  await docker(["login", "--username", ACCESS_KEY_ID, "--password-stdin", cache.host], { input: SECRET_ACCESS_KEY });
  for (const [index, upstream] of upstreams.entries()) {
    const prefix = upstream.kind;
    const rule = { ecrRepositoryPrefix: prefix, upstreamRegistryUrl: mirrored[index] };
    await ecr.send(new CreatePullThroughCacheRuleCommand(rule));
    await checkUpstream(world, docker, cache, upstream);
  }
}

/** Names that rules may have without the operator's word: what stands in their place does not matter to the clients. */
const mirrored = ["quay.io", "public.ecr.aws", "registry.k8s.io"] as const;

const encodePair = (pair: string) => pair.split(":").map(encodeURIComponent).join(":");

async function checkUpstream(world: World, docker: Docker, cache: Server, upstream: Upstream): Promise<void> {
  const { check, folder } = world;
  const { kind, host } = upstream;
  const skopeo = async (...args: string[]) => (await world.run(["skopeo", ...args])).stdout;
  const hello = { path: "hello", bytes: new TextEncoder().encode(`through ${kind}`) as Uint8Array<ArrayBuffer> };
  const [image, index] = [buildImage([[hello]]), buildIndex(`through ${kind}`)];
  const layouts = join(folder, `layout-${kind}`);
  await mkdir(layouts);
  await writeImageLayout(join(layouts, "image"), image, "v1");
  await writeIndexLayout(join(layouts, "index"), index, "v1");
  const into = ["copy", "--all", "--dest-tls-verify=false", ...upstream.credentials];
  await skopeo(...into, `oci:${join(layouts, "image")}:v1`, `docker://${host}/team/app:v1`);
  await skopeo(...into, `oci:${join(layouts, "index")}:v1`, `docker://${host}/team/multi:v1`);
  const own = ["--src-tls-verify=false", "--src-creds", `${ACCESS_KEY_ID}:${SECRET_ACCESS_KEY}`];

  await check(`${kind}: docker pulls an image through the cache`, async () => {
    contains(await docker(["pull", `${cache.host}/${kind}/team/app:v1`]), /Digest: sha256:/, "pull");
  });
  await check(`${kind}: skopeo copies all of an index through the cache`, async () => {
    const copied = join(folder, `copied-${kind}`);
    await skopeo("copy", "--all", ...own, `docker://${cache.host}/${kind}/team/multi:v1`, `oci:${copied}:v1`);
    const digestOf = async (reference: string, ...how: string[]) =>
      JSON.parse(await skopeo("inspect", ...how, reference)).Digest as string;
    const creds = ["--tls-verify=false", "--creds", `${ACCESS_KEY_ID}:${SECRET_ACCESS_KEY}`];
    equal(
      await digestOf(`docker://${cache.host}/${kind}/team/multi:v1`, ...creds),
      await digestOf(`oci:${copied}:v1`),
      "digest",
    );
  });
  await upstream.stop();
  await check(`${kind}: what was pulled can be pulled again when the upstream is gone`, async () => {
    await docker(["rmi", `${cache.host}/${kind}/team/app:v1`]);
    contains(await docker(["pull", `${cache.host}/${kind}/team/app:v1`]), /Digest: sha256:/, "pull");
  });
}

async function startPeer(world: World, kind: PeerKind): Promise<Upstream> {
  const found = kind.find();
  if ("missing" in found) throw new Error(found.missing);
  const peer = await kind.start(found.program, world.folder);
  const stop = once(() => peer.stop());
  world.atEnd(stop);
  return { kind: kind.name, host: new URL(peer.origin).host, credentials: [], stop };
}

async function startOtherBerth(world: World, folder: string): Promise<Upstream> {
  await mkdir(folder);
  const server = await startServer(folder);
  const stop = once(() => server.stop());
  world.atEnd(stop);
  for (const repositoryName of ["team/app", "team/multi"]) {
    await ecrOf(server).send(new CreateRepositoryCommand({ repositoryName }));
  }
  return {
    kind: "berth",
    host: server.host,
    credentials: ["--dest-creds", `${ACCESS_KEY_ID}:${SECRET_ACCESS_KEY}`],
    stop,
  };
}

function ecrOf({ url }: Server): ECRClient {
  const credentials = { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY };
  return new ECRClient({ endpoint: url, region: REGION, credentials, maxAttempts: 1 });
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}
