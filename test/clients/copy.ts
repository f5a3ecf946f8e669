import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { distribution, distribution3 } from "../../bench/peers/distribution.ts";
import type { PeerKind } from "../../bench/peers/peer.ts";
import { zot } from "../../bench/peers/zot.ts";
import type { World } from "./client.ts";
import { findDocker, startDaemon } from "./dockerd.ts";
import { contains, equal, holds } from "./expect.ts";
import { buildImage, buildIndex, type Index, writeImageLayout, writeIndexLayout } from "./images.ts";
import { version } from "./process.ts";
import { sha256 } from "./registry.ts";

/** `berth copy` and `berth import` beside other programs: they read what Berth wrote, and Berth reads what they wrote. */

export const name = "copy";
export const installedByCi = true;
export const timeoutMs = 420_000;
export const find = () => version(["skopeo", "--version"]);

const program = join(import.meta.dir, "..", "..", "src", "cli", "main.ts");

type Berth = (...args: string[]) => Promise<string>;

export async function run(world: World): Promise<void> {
  const berth: Berth = async (...args) => (await world.run([process.execPath, program, ...args])).stdout;
  const config = join(world.folder, ".config", "containers");
  await mkdir(config, { recursive: true });
  await writeFile(join(config, "policy.json"), JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
  const index = buildIndex("copy-client");
  const layout = join(world.folder, "layout");
  await writeIndexLayout(layout, index, "two");
  await world.repository("copy/index");
  await world.check("copy an index into the registry", async () => {
    await berth("copy", `oci:${layout}`, `${world.host}/copy/index`);
    equal((await world.registry.manifest("copy/index", "two")).digest, index.digest, "digest");
  });
  await checkSkopeoReads(world, berth, index);
  await checkSkopeoWrote(world, berth, index);
  await checkDocker(world, berth);
  for (const kind of [distribution, distribution3]) await checkStorage(world, berth, index, kind, "distribution");
  await checkStorage(world, berth, index, zot, "zot");
}

async function checkSkopeoReads({ check, run: start, host, folder }: World, berth: Berth, index: Index): Promise<void> {
  const raw = async (place: string) => (await start(["skopeo", "inspect", "--raw", place])).stdout;
  for (const [form, place] of [
    ["oci:", `oci:${join(folder, "ours")}:two`],
    ["oci-archive:", `oci-archive:${join(folder, "ours.tar")}:two`],
    ["dir:", `dir:${join(folder, "ours-dir")}`],
  ] as const) {
    await check(`skopeo reads what was written as ${form}, every blob of it`, async () => {
      await berth("copy", `${host}/copy/index:two`, place);
      equal(sha256(Buffer.from(await raw(place))), index.digest, "digest");
      const back = join(folder, `skopeo-${form.replace(":", "")}`);
      await start(["skopeo", "copy", "--all", "--preserve-digests", place, `oci:${back}:two`]);
      const blobs = await readdir(join(back, "blobs", "sha256"));
      equal(blobs.length, 3 + index.images.length * 4 - 1, "blobs");
    });
  }
  await check("skopeo reads what was written as docker-archive:", async () => {
    const place = `docker-archive:${join(folder, "ours-docker.tar")}`;
    await berth("copy", "--platform", "linux/amd64", `${host}/copy/index:two`, `${place}:app:v1`);
    const facts = JSON.parse((await start(["skopeo", "inspect", "--config", `${place}:app:v1`])).stdout);
    equal(facts.architecture, "amd64", "architecture");
    await start(["skopeo", "copy", `${place}:app:v1`, `oci:${join(folder, "skopeo-docker")}:v1`]);
  });
}

async function checkSkopeoWrote(world: World, berth: Berth, index: Index): Promise<void> {
  const { check, run: start, folder, host } = world;
  const ours = `oci:${join(folder, "layout")}:two`;
  await world.repository("copy/from-skopeo");
  for (const [form, place] of [
    ["oci:", `oci:${join(folder, "theirs")}:two`],
    ["oci-archive:", `oci-archive:${join(folder, "theirs.tar")}:two`],
    ["dir:", `dir:${join(folder, "theirs-dir")}`],
  ] as const) {
    await check(`what skopeo wrote as ${form} is read, with the same digest`, async () => {
      await start(["skopeo", "copy", "--all", "--preserve-digests", ours, place]);
      const tag = form.replace(":", "");
      await berth("copy", place, `${host}/copy/from-skopeo:${tag}`);
      equal((await world.registry.manifest("copy/from-skopeo", tag)).digest, index.digest, "digest");
    });
  }
  await check("what skopeo wrote as docker-archive: is read, and runs the same layers", async () => {
    const file = join(folder, "theirs-docker.tar");
    await start(["skopeo", "copy", ours, `docker-archive:${file}:app:v1`]);
    await berth("copy", `docker-archive:${file}`, `${host}/copy/from-skopeo:docker`);
    const shown = ["skopeo", "inspect", "--config", "--tls-verify=false", "--creds", `AWS:${await world.password()}`];
    const { rootfs } = JSON.parse((await start([...shown, `docker://${host}/copy/from-skopeo:docker`])).stdout);
    const given = JSON.parse((await start(["skopeo", "inspect", "--config", ours])).stdout);
    equal(rootfs.diff_ids, given.rootfs.diff_ids, "layers");
  });
}

async function checkDocker(world: World, berth: Berth): Promise<void> {
  const { check, folder, host } = world;
  if (!(await findDocker()) || process.getuid?.() !== 0) {
    return world.skip("docker load and docker save", "needs dockerd and root");
  }
  const image = buildImage([[{ path: "hello", bytes: new TextEncoder().encode("hello") as Uint8Array<ArrayBuffer> }]]);
  const layout = join(folder, "for-docker");
  await writeImageLayout(layout, image, "v1");
  await world.repository("copy/docker");
  await berth("copy", `oci:${layout}`, `${host}/copy/docker`);
  const docker = await startDaemon(world);
  await check("docker load takes what was written as docker-archive:", async () => {
    const file = join(folder, "load.tar");
    await berth("copy", `${host}/copy/docker:v1`, `docker-archive:${file}`);
    contains(await docker(["load", "--input", file]), `${host}/copy/docker:v1`, "load");
    const [, layer = ""] = [...image.blobs.values()].map((bytes) => bytes);
    holds(layer !== "", "no layer");
    const ids = await docker(["image", "inspect", "--format", "{{json .RootFS.Layers}}", `${host}/copy/docker:v1`]);
    equal(JSON.parse(ids), [sha256(Bun.gunzipSync(layer as Uint8Array<ArrayBuffer>))], "layers");
  });
  await check("what docker save wrote is read", async () => {
    const file = join(folder, "save.tar");
    await docker(["save", "--output", file, `${host}/copy/docker:v1`]);
    await berth("copy", `docker-archive:${file}`, `${host}/copy/docker:saved`);
    const { bytes } = await world.registry.manifest("copy/docker", "saved");
    equal(JSON.parse(new TextDecoder().decode(bytes)).layers.length, 1, "layers");
  });
}

/** A real registry is pushed to and stopped; its folder is imported. */
async function checkStorage(
  world: World,
  berth: Berth,
  index: Index,
  kind: PeerKind,
  as: "distribution" | "zot",
): Promise<void> {
  const found = kind.find();
  if ("missing" in found) return world.skip(`import from ${kind.name}`, found.missing);
  const { check, folder } = world;
  const prefix = `imported-${kind.name}`;
  const storage = join(folder, kind.name === "zot" ? "zot" : kind.name, "data");
  await check(
    `copy to and from ${kind.name} ${await kind.version(found.program)}, and import its storage folder`,
    async () => {
      const peer = await kind.start(found.program, folder);
      const host = peer.origin.replace("http://", "");
      try {
        await berth("copy", `oci:${join(folder, "layout")}`, `${host}/team/index`);
        await berth("copy", `oci:${join(folder, "layout")}`, `${host}/team/deep/er:again`);
        await berth("copy", `${host}/team/index:two`, `oci:${join(folder, `from-${kind.name}`)}`);
        contains(await readFile(join(folder, `from-${kind.name}`, "index.json"), "utf8"), index.digest, "index.json");
        contains(
          await berth("copy", "--all", host, `oci:${join(folder, `all-${kind.name}`)}`),
          "2 images copied",
          "all",
        );
      } finally {
        await peer.stop();
      }
      contains(
        await berth("import", as, storage, "--prefix", prefix),
        "2 images copied, 0 already there, 0 failed",
        "import",
      );
      for (const [repository, tag] of [
        ["team/index", "two"],
        ["team/deep/er", "again"],
      ] as const) {
        const { digest } = await world.registry.manifest(`${prefix}/${repository}`, tag);
        equal(digest, index.digest, "digest");
      }
      for (const image of index.images) {
        for (const digest of image.blobs.keys()) {
          equal(sha256(await world.registry.blob(`${prefix}/team/index`, digest)), digest, "blob");
        }
      }
      contains(await berth("import", as, storage, "--prefix", prefix), "0 images copied, 2 already there", "once more");
    },
  );
}
