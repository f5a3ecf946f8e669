import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DescribeImageReplicationStatusCommand,
  ECRClient,
  PutReplicationConfigurationCommand,
} from "@aws-sdk/client-ecr";
import { account, basic, digestOf, keyPair, mediaTypes } from "../support/berth.ts";
import { type BlobCountingProxy, startBlobCountingProxy } from "../support/blob-counting-proxy.ts";
import { createRandom } from "../support/random.ts";

/**
 * Two servers, of which one replicates to the other while both are killed again and again. What the figures have to say:
 * in the end both have the same, nothing that had arrived whole was sent again, and nothing was said to be there that was
 * not.
 */

export interface KilledOptions {
  readonly images: number;
  readonly kills: number;
  readonly seed: number;
}

export interface KilledFigures {
  readonly images: number;
  readonly kills: number;
  readonly seconds: number;
  /** Digests whose bytes came once more after the receiver had acknowledged them. */
  readonly sentAgain: readonly string[];
  readonly blobs: number;
  readonly blobBytes: number;
  /** The bytes of all blobs, each once. */
  readonly uniqueBytes: number;
  readonly requests: number;
  /** Images that were said to be there when they were not. */
  readonly wrongStatuses: readonly string[];
  readonly statusesLookedAt: number;
  /** Tags that do not mean the same on both sides. */
  readonly different: readonly string[];
}

const homeRegion = "us-east-1";
const awayRegion = "eu-west-1";
const authorization = basic(keyPair.accessKeyId, keyPair.secretAccessKey);
const repositories = ["team/one", "team/two", "team/three", "team/four"];
const sharedLayers = 12;

export async function replicateWhileKilled({ images, kills, seed }: KilledOptions): Promise<KilledFigures> {
  const random = createRandom(String(seed));
  const folder = mkdtempSync(join(tmpdir(), "berth-killed-"));
  const began = performance.now();
  const credentials = join(folder, "peers");
  writeFileSync(
    credentials,
    `[${awayRegion}]\naws_access_key_id = ${keyPair.accessKeyId}\naws_secret_access_key = ${keyPair.secretAccessKey}\n`,
  );
  for (const side of ["home", "away"]) mkdirSync(join(folder, side));
  const away = createSide([join(folder, "away"), awayRegion]);
  await away.start();
  const proxy = await startBlobCountingProxy(away.url());
  const home = createSide([join(folder, "home"), homeRegion, awayRegion, proxy.url, credentials]);
  await home.start();
  try {
    return await run({ images, kills, random, home, away, proxy, began });
  } finally {
    await proxy.close();
    await home.kill();
    await away.kill();
    rmSync(folder, { recursive: true });
  }
}

interface Run {
  readonly images: number;
  readonly kills: number;
  readonly random: ReturnType<typeof createRandom>;
  readonly home: Side;
  readonly away: Side;
  readonly proxy: BlobCountingProxy;
  readonly began: number;
}

async function run({ images, kills, random, home, away, proxy, began }: Run): Promise<KilledFigures> {
  await insistently(() =>
    ecr(home, homeRegion).send(
      new PutReplicationConfigurationCommand({
        replicationConfiguration: { rules: [{ destinations: [{ region: awayRegion, registryId: account }] }] },
      }),
    ),
  );
  const pushed: Pushed[] = [];
  const blobs = new Map<string, number>();
  let isOver = false;
  let killed = 0;
  const wrongStatuses: string[] = [];
  let statusesLookedAt = 0;

  async function push(): Promise<void> {
    for (let number = 0; number < images; number++) {
      const repository = random.pick(repositories);
      const image = await pushImage(home, repository, number, blobs);
      pushed.push(image);
    }
  }

  /** Whoever is said to be there is asked for at once. */
  async function watch(): Promise<void> {
    while (!isOver) {
      await Bun.sleep(20);
      const image = pushed.length > 0 ? random.pick(pushed) : undefined;
      const status = image && (await statusOf(home, image).catch(() => undefined));
      if (!image || status === undefined) continue;
      statusesLookedAt++;
      if (status !== "COMPLETE") continue;
      const there = await tagAt(away, image).catch(() => undefined);
      if (there !== undefined && there !== image.digest) wrongStatuses.push(`${image.repository}:${image.tag}`);
    }
  }

  async function killNowAndThen(): Promise<void> {
    while (killed < kills && !isOver) {
      // Spread over the work, whose measure is what has arrived.
      const due = Math.floor(((killed + 1) * images) / (kills + 1));
      if (proxy.arrived.size < due) {
        await Bun.sleep(20);
        continue;
      }
      const side = killed % 2 === 0 ? away : home;
      await side.kill();
      await Bun.sleep(random.below(300));
      await side.start();
      proxy.target = away.url();
      killed++;
    }
  }

  const watching = watch();
  const killing = killNowAndThen();
  await push();
  for (const image of pushed) {
    while ((await statusOf(home, image).catch(() => undefined)) !== "COMPLETE") await Bun.sleep(100);
  }
  isOver = true;
  await Promise.all([watching, killing]);

  const different: string[] = [];
  for (const image of pushed) {
    const [here, there] = [await tagAt(home, image), await tagAt(away, image)];
    if (here !== image.digest || there !== here) different.push(`${image.repository}:${image.tag}`);
  }
  return {
    images,
    kills: killed,
    seconds: Math.round((performance.now() - began) / 1000),
    sentAgain: [...proxy.again],
    blobs: blobs.size,
    blobBytes: proxy.blobBytes,
    uniqueBytes: [...blobs.values()].reduce((sum, size) => sum + size, 0),
    requests: proxy.requests,
    wrongStatuses,
    statusesLookedAt,
    different,
  };
}

interface Pushed {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

async function pushImage(side: Side, repository: string, number: number, blobs: Map<string, number>): Promise<Pushed> {
  const contents = [
    `shared layer ${number % sharedLayers}`.padEnd(4096, "."),
    `shared layer ${(number * 7) % sharedLayers}`.padEnd(4096, "."),
    `layer of image ${number}`.padEnd(1024, "."),
  ];
  const config = JSON.stringify({ number });
  const descriptors = [];
  for (const content of [config, ...contents]) {
    const digest = digestOf(content);
    blobs.set(digest, content.length);
    await insistently(() => ask(side, "POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, content));
    descriptors.push({ mediaType: mediaTypes.layer, digest, size: content.length });
  }
  const [first, ...layers] = descriptors;
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { ...first, mediaType: mediaTypes.config },
    layers: [...new Map(layers.map((layer) => [layer.digest, layer])).values()],
  });
  const tag = `v${number}`;
  await insistently(() => ask(side, "PUT", `/v2/${repository}/manifests/${tag}`, manifest));
  return { repository, tag, digest: digestOf(manifest) };
}

async function ask(side: Side, method: string, path: string, body?: string): Promise<Response> {
  const isManifest = path.includes("/manifests/") && method === "PUT";
  const headers = { authorization, ...(isManifest && { "content-type": mediaTypes.manifest }) };
  const answer = await fetch(`${side.url()}${path}`, { method, headers, body });
  if (!answer.ok && answer.status !== 404)
    throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

async function tagAt(side: Side, { repository, tag }: Pushed): Promise<string> {
  const answer = await ask(side, "HEAD", `/v2/${repository}/manifests/${tag}`);
  return answer.headers.get("docker-content-digest") ?? String(answer.status);
}

async function statusOf(side: Side, { repository, digest }: Pushed): Promise<string | undefined> {
  const { replicationStatuses } = await ecr(side, homeRegion).send(
    new DescribeImageReplicationStatusCommand({ repositoryName: repository, imageId: { imageDigest: digest } }),
  );
  return replicationStatuses?.[0]?.status;
}

function ecr(side: Side, region: string): ECRClient {
  return new ECRClient({ region, endpoint: side.url(), credentials: keyPair, maxAttempts: 1 });
}

/** A client that comes again, as clients do, until the server is back. */
async function insistently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries > 400) throw error;
      await Bun.sleep(50);
    }
  }
}

interface Side {
  url(): string;
  start(): Promise<void>;
  kill(): Promise<void>;
}

function createSide(args: string[]): Side {
  let child: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;
  let url = "";
  return {
    url: () => url,
    async start() {
      const path = join(import.meta.dir, "server.ts");
      child = Bun.spawn([process.execPath, path, ...args], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
      const { value } = await child.stdout.getReader().read();
      url = new URL(new TextDecoder().decode(value).trim()).origin;
    },
    async kill() {
      child?.kill("SIGKILL");
      await child?.exited;
    },
  };
}

if (import.meta.main) {
  const [images = "1000", kills = "10", seed = "1"] = process.argv.slice(2);
  console.log(await replicateWhileKilled({ images: Number(images), kills: Number(kills), seed: Number(seed) }));
}
