import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  buildImage,
  buildIndex,
  pushImage,
  sampleImage,
  tar,
  writeImageLayout,
  writeIndexLayout,
} from "./clients/images.ts";
import { OCI_MANIFEST, sha256 } from "./clients/registry.ts";
import { berth, berthJson, copyWorld, homeFor, keys, largeImage } from "./support/copies.ts";
import { type CountingProxy, startCountingProxy } from "./support/counting-proxy.ts";

/** `berth copy` between real servers, layouts and archives. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(120_000);

let world: Awaited<ReturnType<typeof copyWorld>>;
let here: Awaited<ReturnType<typeof world.server>>;
let there: typeof here;
let env: Record<string, string>;
const index = buildIndex("copy");
beforeAll(async () => {
  world = await copyWorld("copy");
  [here, there] = await Promise.all([world.server(), world.server()]);
  env = homeFor(world.root, [here.host, there.host]);
  const layout = join(world.root, "index");
  await writeIndexLayout(layout, index, "two");
  expect(await berth(["copy", `oci:${layout}`, `${here.host}/index`], env)).toMatchObject({ code: 0, err: "" });
});
afterAll(() => world.close());

const digestAt = async (server: typeof here, repository: string, reference: string) =>
  (await server.registry.manifest(repository, reference)).digest;
const statusAt = async (server: typeof here, path: string) => (await server.registry.request("HEAD", path)).status;

describe("pairs", () => {
  test("registry to registry, and once more sends nothing", async () => {
    const first = await berthJson(["copy", `docker://${here.host}/index:two`, `${there.host}/pairs/index:v2`], env);
    expect(first).toMatchObject({ code: 0, err: "", summary: { images: 1, copied: 1, failed: 0, mountedBlobs: 0 } });
    // Six layers, of which both platforms share one, and two configurations.
    expect(first.summary).toMatchObject({ sentBlobs: 7, thereBlobs: 1, manifests: 3 });
    expect(await digestAt(there, "pairs/index", "v2")).toBe(index.digest);
    for (const image of index.images) {
      for (const digest of image.blobs.keys())
        expect(sha256(await there.registry.blob("pairs/index", digest))).toBe(digest);
    }
    const again = await berthJson(["copy", `docker://${here.host}/index:two`, `${there.host}/pairs/index:v2`], env);
    expect(again.summary).toMatchObject({ copied: 0, there: 1, sentBlobs: 0, mountedBlobs: 0, manifests: 0 });
  });

  test.each([
    "oci:%/layout",
    "oci:%/layout:other",
    "oci-archive:%/archive.tar",
    "oci-archive:%/archive.tar:other",
    "dir:%/image",
  ])("registry to %s and back: the same digest, every blob whole", async (form) => {
    const place = form.replace("%", world.folder());
    expect(await berth(["copy", `${here.host}/index:two`, place], env)).toMatchObject({ code: 0, err: "" });
    const back = `${there.host}/pairs/back:${form.replace(/\W+/g, "-").replace(/^-/, "")}`;
    const { code, err, lines } = await berth(["copy", place, back], env);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(lines[0]).toContain(index.digest);
    expect(await digestAt(there, "pairs/back", back.slice(back.lastIndexOf(":") + 1))).toBe(index.digest);
  });

  test("a docker archive has one platform, names for docker load, and comes back with the same digest", async () => {
    const folder = world.folder();
    const file = join(folder, "image.tar");
    const [, arm64] = index.images;
    const written = await berth(
      ["copy", "--platform", "linux/arm64", `${here.host}/index:two`, `docker-archive:${file}`],
      env,
    );
    expect(written).toMatchObject({ code: 0, err: "" });
    const files = await filesOf(file);
    const [entry] = JSON.parse(files.get("manifest.json") ?? "");
    expect(entry.RepoTags).toEqual([`${here.host}/index:two`]);
    const blobs = [entry.Config, ...entry.Layers].map((path: string) => `sha256:${path.split("/").at(-1)}`);
    expect(blobs).toEqual([...(arm64?.blobs.keys() ?? [])]);
    expect(await berth(["copy", `docker-archive:${file}`, `${there.host}/pairs/loaded:arm`], env)).toMatchObject({
      code: 0,
    });
    expect(await digestAt(there, "pairs/loaded", "arm")).toBe(arm64?.digest ?? "");
    const other = await berth(
      ["copy", `${here.host}/index:two`, `docker-archive:${join(folder, "host.tar")}:app:v1`],
      env,
    );
    expect(other.err).toContain("several platforms: only linux/");
    expect(JSON.parse((await filesOf(join(folder, "host.tar"))).get("manifest.json") ?? "")[0].RepoTags).toEqual([
      "app:v1",
    ]);
  });

  test("an archive of docker save without a manifest gets one, and its layers stay as they are", async () => {
    const folder = world.folder();
    const layer = tar([{ path: "file", bytes: new TextEncoder().encode("plain") as never }]);
    const packed = Bun.gzipSync(tar([{ path: "other", bytes: new TextEncoder().encode("packed") as never }]));
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [sha256(layer), sha256(Bun.gunzipSync(packed))] },
    });
    const text = (value: string) => new TextEncoder().encode(value) as Uint8Array<ArrayBuffer>;
    const manifest = [
      {
        Config: `${sha256(text(config)).slice(7)}.json`,
        RepoTags: ["docker.io/library/legacy:v1"],
        Layers: ["one/layer.tar", "two/layer.tar"],
      },
    ];
    const file = join(folder, "legacy.tar");
    const archive = tar([
      { path: "one/layer.tar", bytes: layer },
      { path: "two/layer.tar", bytes: packed },
      { path: manifest[0]?.Config ?? "", bytes: text(config) },
      { path: "manifest.json", bytes: text(JSON.stringify(manifest)) },
    ]);
    writeFileSync(file, archive);
    writeFileSync(`${file}.gz`, Bun.gzipSync(archive));
    for (const [source, tag] of [
      [file, "plain"],
      [`${file}.gz`, "packed"],
      [`${file}:legacy:v1`, "named"],
    ]) {
      expect(await berth(["copy", `docker-archive:${source}`, `${there.host}/pairs/legacy:${tag}`], env)).toMatchObject(
        { code: 0, err: "" },
      );
      const { bytes } = await there.registry.manifest("pairs/legacy", tag ?? "");
      const { config: made, layers } = JSON.parse(new TextDecoder().decode(bytes));
      expect([made.digest, ...layers.map((each: { digest: string }) => each.digest)]).toEqual([
        sha256(text(config)),
        sha256(layer),
        sha256(packed),
      ]);
      expect(layers[0].mediaType).toBe("application/vnd.oci.image.layer.v1.tar");
      expect(layers[1].mediaType).toBe("application/vnd.oci.image.layer.v1.tar+gzip");
    }
  });

  test("within a registry nothing is sent: blobs are mounted", async () => {
    const { summary } = await berthJson(["copy", `${here.host}/index:two`, `${here.host}/mounted`], env);
    expect(summary).toMatchObject({ copied: 1, sentBlobs: 0, sentBytes: 0, mountedBlobs: 7 });
    expect(await digestAt(here, "mounted", "two")).toBe(index.digest);
  });

  test("platforms: one is that image, several are another index of these alone", async () => {
    const one = await berth(
      ["copy", "--platform", "linux/arm64", `${here.host}/index:two`, `${there.host}/platforms:one`],
      env,
    );
    expect(one.code).toBe(0);
    expect(await digestAt(there, "platforms", "one")).toBe(index.images[1]?.digest ?? "");
    const three = buildIndex("three", ["amd64", "arm64", "s390x"]);
    const layout = join(world.folder(), "three");
    await writeIndexLayout(layout, three, "v1");
    const two = ["--platform", "linux/amd64", "--platform", "linux/s390x"];
    expect(await berth(["copy", ...two, `oci:${layout}`, `${there.host}/platforms:two`], env)).toMatchObject({
      code: 0,
    });
    const { manifests } = JSON.parse(
      new TextDecoder().decode((await there.registry.manifest("platforms", "two")).bytes),
    );
    expect(manifests.map(({ digest }: { digest: string }) => digest)).toEqual([
      three.images[0]?.digest,
      three.images[2]?.digest,
    ]);
    expect(await statusAt(there, `/v2/platforms/manifests/${three.images[1]?.digest}`)).toBe(404);
    const none = await berth(
      ["copy", "--platform", "windows/amd64", `oci:${layout}`, `${there.host}/platforms:none`],
      env,
    );
    expect(none).toMatchObject({ code: 1 });
    expect(none.out).toContain("it is not there for windows/amd64; there are linux/amd64, linux/arm64, linux/s390x");
  });
});

describe("referrers", () => {
  const empty = new TextEncoder().encode("{}") as Uint8Array<ArrayBuffer>;
  const emptyDescriptor = { mediaType: "application/vnd.oci.empty.v1+json", digest: sha256(empty), size: 2 };
  async function attach(repository: string, subject: string, size: number, about: string) {
    await here.registry.pushBlob(repository, empty);
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: "application/vnd.test.signature",
      config: emptyDescriptor,
      layers: [emptyDescriptor],
      subject: { mediaType: OCI_MANIFEST, digest: subject, size },
      annotations: { about },
    };
    const bytes = new TextEncoder().encode(JSON.stringify(manifest)) as Uint8Array<ArrayBuffer>;
    const pushed = await here.registry.pushManifest(repository, sha256(bytes), bytes, OCI_MANIFEST);
    expect(pushed.status).toBe(201);
    return { digest: sha256(bytes), size: bytes.length };
  }
  const referrersAt = async (server: typeof here, repository: string, subject: string) => {
    const answer = await server.registry.request("GET", `/v2/${repository}/referrers/${subject}`);
    const { manifests } = (await answer.json()) as { manifests: { digest: string }[] };
    return manifests.map(({ digest }) => digest);
  };

  test("they come along, theirs too, also through a layout; --no-referrers leaves them", async () => {
    const image = sampleImage("signed");
    await pushImage(here.registry, "signed", "v1", image);
    const signature = await attach("signed", image.digest, image.manifest.length, "the image");
    const countersignature = await attach("signed", signature.digest, signature.size, "the signature");
    const cosign = sampleImage("cosign");
    const cosignTag = `${image.digest.replace(":", "-")}.sig`;
    await pushImage(here.registry, "signed", cosignTag, cosign);

    const copied = await berthJson(["copy", `${here.host}/signed:v1`, `${there.host}/signed`], env);
    expect(copied.summary).toMatchObject({ copied: 1, referrers: 3 });
    expect(await referrersAt(there, "signed", image.digest)).toEqual([signature.digest]);
    expect(await referrersAt(there, "signed", signature.digest)).toEqual([countersignature.digest]);
    expect(await digestAt(there, "signed", cosignTag)).toBe(cosign.digest);

    const layout = `oci:${world.folder()}`;
    expect(await berth(["copy", `${here.host}/signed:v1`, layout], env)).toMatchObject({ code: 0 });
    expect(await berth(["copy", `${layout}:v1`, `${there.host}/through-layout`], env)).toMatchObject({ code: 0 });
    expect(await referrersAt(there, "through-layout", image.digest)).toEqual([signature.digest]);
    expect(await referrersAt(there, "through-layout", signature.digest)).toEqual([countersignature.digest]);
    expect(await digestAt(there, "through-layout", cosignTag)).toBe(cosign.digest);

    expect(await berth(["copy", "--no-referrers", `${here.host}/signed:v1`, `${there.host}/bare`], env)).toMatchObject({
      code: 0,
    });
    expect(await referrersAt(there, "bare", image.digest)).toEqual([]);
    expect(await statusAt(there, `/v2/bare/manifests/${cosignTag}`)).toBe(404);
  });
});

describe("many", () => {
  beforeAll(async () => {
    for (const repository of ["team/api", "team/web", "other"]) {
      for (const tag of ["v1", "v2", "latest"]) {
        await pushImage(here.registry, `many/${repository}`, tag, sampleImage(`${repository}:${tag}`));
      }
    }
  });
  const tagsAt = async (server: typeof here, repository: string) => {
    const answer = await server.registry.request("GET", `/v2/${repository}/tags/list`);
    return answer.status === 200 ? ((await answer.json()) as { tags: string[] }).tags.sort() : [];
  };

  test("all tags of a repository, whose shared layer is sent once", async () => {
    const { summary, code } = await berthJson(
      ["copy", "--all", `${here.host}/many/team/api`, `${there.host}/all/api`],
      env,
    );
    expect({ code, summary }).toMatchObject({
      code: 0,
      summary: { images: 3, copied: 3, sentBlobs: 10, thereBlobs: 2 },
    });
    expect(await tagsAt(there, "all/api")).toEqual(["latest", "v1", "v2"]);
  });

  test("a whole registry by filters, into a layout and from there into another registry", async () => {
    const layout = `oci:${world.folder()}`;
    const filters = ["--include", "many/*:v?", "--exclude", "many/other", "--exclude", "many/team/web:v2"];
    const first = await berthJson(["copy", ...filters, here.host, layout], env);
    expect(first.summary).toMatchObject({ images: 3, copied: 3, failed: 0 });
    const second = await berthJson(["copy", "--all", layout, `${there.host}/filtered`], env);
    expect(second.summary).toMatchObject({ images: 3, copied: 3 });
    // One layer is in all of them: it is sent to one repository, and mounted in the other.
    expect(second.summary.mountedBlobs).toBe(1);
    expect(await tagsAt(there, "filtered/many/team/api")).toEqual(["v1", "v2"]);
    expect(await tagsAt(there, "filtered/many/team/web")).toEqual(["v1"]);
    expect(await tagsAt(there, "filtered/many/other")).toEqual([]);
  });

  test("a dry run says what would be sent, and does nothing", async () => {
    const args = ["copy", "--include", "many/*", here.host, `${there.host}/dry`];
    const dry = await berthJson([...args, "--dry-run"], env);
    expect(dry.summary).toMatchObject({ dryRun: true, images: 9, copied: 9 });
    expect(dry.objects[0]?.status).toBe("WOULD_COPY");
    expect(await tagsAt(there, "dry/many/other")).toEqual([]);
    const real = await berthJson(args, env);
    expect(real.summary.sentBytes).toBe(dry.summary.sentBytes);
    expect(real.summary.sentBlobs).toBe(dry.summary.sentBlobs);
    const target = join(world.folder(), "new");
    expect(await berth(["copy", "--dry-run", `${here.host}/index:two`, `oci:${target}`], env)).toMatchObject({
      code: 0,
    });
    expect(existsSync(target)).toBe(false);
  });

  test("what fails is told, and the rest goes on; nothing asked for is a failure", async () => {
    const layout = join(world.folder(), "layout");
    await writeImageLayout(layout, sampleImage("good"), "good");
    const bad = sampleImage("bad");
    await writeImageLayout(join(layout, "bad"), bad, "bad");
    const own = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
    const others = JSON.parse(readFileSync(join(layout, "bad", "index.json"), "utf8"));
    writeFileSync(
      join(layout, "index.json"),
      JSON.stringify({ ...own, manifests: [...others.manifests, ...own.manifests] }),
    );
    const { code, objects, summary } = await berthJson(["copy", "--all", `oci:${layout}`, `${there.host}/partly`], env);
    expect({ code, summary }).toMatchObject({ code: 1, summary: { images: 2, copied: 1, failed: 1 } });
    expect(objects.find(({ status }) => status === "FAILED")).toMatchObject({
      destination: `${there.host}/partly:bad`,
      error: expect.stringContaining("there is no"),
    });
    expect(await tagsAt(there, "partly")).toEqual(["good"]);
    const none = await berth(["copy", "--include", "nothing/*", here.host, there.host], env);
    expect(none).toMatchObject({ code: 1, err: `berth: ${here.host} has no image that was asked for\n` });
  });
});

describe("interrupted", () => {
  const size = 24 * 1024 * 1024;
  let wire: CountingProxy;
  beforeAll(async () => {
    wire = await startCountingProxy(there.url);
  });
  afterAll(() => wire.close());

  /** Runs until so many bytes went by, and is killed then. */
  async function killedAfter(
    args: string[],
    own: Record<string, string>,
    proxy: CountingProxy,
    direction: "toServer" | "toClient",
    bytes: number,
  ) {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "..", "src", "cli", "main.ts"), ...args], {
      env: { PATH: "/usr/bin:/bin", ...own },
      stdout: "ignore",
      stderr: "ignore",
    });
    proxy.watch((counts) => {
      if (counts[direction] > bytes) child.kill("SIGKILL");
    });
    await child.exited;
    proxy.watch(undefined);
    expect(child.signalCode).toBe("SIGKILL");
  }

  test("a push that was killed goes on with what arrived: neither small nor large blobs are sent again", async () => {
    const host = wire.url.replace("http://", "");
    const own = homeFor(world.root, [host]);
    const image = largeImage(size);
    const layout = join(world.folder(), "large");
    await writeImageLayout(layout, image, "v1");
    const args = ["copy", `oci:${layout}`, `${host}/large`];
    await killedAfter(args, own, wire, "toServer", size / 2);
    expect(await statusAt(there, "/v2/large/manifests/v1")).toBe(404);

    const [entry] = readdirSync(join(own.HOME ?? "", ".berth", "copies"));
    const location = readFileSync(join(own.HOME ?? "", ".berth", "copies", entry ?? ""), "utf8");
    // The server is done with the broken connection when it tells how far the upload is.
    let arrived = 0;
    for (let tries = 0; arrived < size / 4 && tries < 500; tries++) {
      const status = await there.registry.request("GET", new URL(location).pathname);
      arrived = Number(/0-(\d+)/.exec(status.headers.get("range") ?? "")?.[1] ?? -1) + 1;
      if (arrived < size / 4) await Bun.sleep(20);
    }
    expect(arrived).toBeGreaterThan(size / 4);
    wire.reset();
    const again = await berthJson(args, own);
    expect(again).toMatchObject({ code: 0, summary: { copied: 1, failed: 0 } });
    expect(wire.toServer).toBeLessThan(size - arrived + 64 * 1024);
    const [, layer = ""] = image.blobs.keys();
    expect(sha256(await there.registry.blob("large", layer))).toBe(layer);
    expect(readdirSync(join(own.HOME ?? "", ".berth", "copies"))).toEqual([]);
  });

  test("a pull into a layout goes on in the middle of a blob", async () => {
    const image = largeImage(size);
    await pushImage(there.registry, "pulled", "v1", image);
    const host = wire.url.replace("http://", "");
    const own = homeFor(world.root, [host]);
    const layout = join(world.folder(), "layout");
    const args = ["copy", `${host}/pulled:v1`, `oci:${layout}`];
    wire.reset();
    await killedAfter(args, own, wire, "toClient", size / 2);
    expect(existsSync(join(layout, "index.json"))).toBe(false);
    wire.reset();
    expect(await berth(args, own)).toMatchObject({ code: 0 });
    expect(wire.toClient).toBeLessThan(0.75 * size);
    for (const [digest, bytes] of image.blobs) {
      expect(readFileSync(join(layout, "blobs", digest.replace(":", "/"))).equals(bytes)).toBe(true);
    }
    expect(readdirSync(layout).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test("an archive takes its name when it is whole, and goes on with the blobs that it has", async () => {
    const [first, second] = [largeImage(size / 4), largeImage(size / 2)];
    await pushImage(there.registry, "archived", "a", first);
    await pushImage(there.registry, "archived", "b", second);
    const host = wire.url.replace("http://", "");
    const own = homeFor(world.root, [host]);
    const file = join(world.folder(), "archive.tar");
    const args = ["copy", "--all", "--parallel", "1", `${host}/archived`, `oci-archive:${file}`];
    wire.reset();
    await killedAfter(args, own, wire, "toClient", size / 2);
    expect(existsSync(file)).toBe(false);
    wire.reset();
    expect(await berth(args, own)).toMatchObject({ code: 0 });
    expect(wire.toClient).toBeLessThan(size / 2 + 512 * 1024);
    expect(await berth(["copy", "--all", `oci-archive:${file}`, `${there.host}/unarchived`], env)).toMatchObject({
      code: 0,
    });
    expect(await digestAt(there, "unarchived", "a")).toBe(first.digest);
    expect(await digestAt(there, "unarchived", "b")).toBe(second.digest);
    const more = await berth(args, own);
    expect(more).toMatchObject({ code: 1 });
    expect(more.err).toContain("is there already, and archives are not added to");
  });

  test("connections that break on the way cost what was lost, and no more", async () => {
    const image = largeImage(size);
    await pushImage(there.registry, "broken", "v1", image);
    const host = wire.url.replace("http://", "");
    const own = homeFor(world.root, [host]);
    let cuts = 3;
    wire.reset();
    wire.watch(({ toClient }) => {
      if (cuts > 0 && toClient > (4 - cuts) * (size / 4)) {
        cuts--;
        wire.cut();
      }
    });
    const layout = join(world.folder(), "layout");
    expect(await berth(["copy", `${host}/broken:v1`, `oci:${layout}`], own)).toMatchObject({ code: 0 });
    wire.watch(undefined);
    expect(cuts).toBe(0);
    expect(wire.toClient).toBeLessThan(1.75 * size);
    const [, layer = ""] = image.blobs.keys();
    expect(sha256(readFileSync(join(layout, "blobs", layer.replace(":", "/"))))).toBe(layer);
  });
});

describe("credentials", () => {
  const place = () => `oci:${join(world.folder(), "out")}`;
  const login = `${keys.AWS_ACCESS_KEY_ID}:${keys.AWS_SECRET_ACCESS_KEY}`;

  test("of flags, files, standard input and variables", async () => {
    const nobody = homeFor(world.root, []);
    const source = `${here.host}/index:two`;
    const refused = await berth(["copy", source, place()], nobody);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.out).toContain("see `berth copy --help` for credentials");
    const file = join(world.folder(), "creds");
    writeFileSync(file, `${login}\n`);
    expect(await berth(["copy", "--src-creds", login, source, place()], nobody)).toMatchObject({ code: 0 });
    expect(await berth(["copy", "--src-creds-file", file, source, place()], nobody)).toMatchObject({ code: 0 });
    expect(await berth(["copy", source, place()], { ...nobody, BERTH_COPY_SRC_CREDS: login })).toMatchObject({
      code: 0,
    });
    const wrong = await berth(["copy", "--src-creds", "AWS:wrong-secret", source, place()], nobody);
    expect(wrong.code).toBe(1);
    expect(`${wrong.out}${wrong.err}`).not.toContain("wrong-secret");
  });

  test("of a Berth that the AWS variables name", async () => {
    const aws = { ...homeFor(world.root, []), ...keys, AWS_ENDPOINT_URL: here.url };
    expect(await berth(["copy", `${here.host}/index:two`, place()], aws)).toMatchObject({ code: 0 });
    // Nobody else is given them.
    expect(await berth(["copy", `${there.host}/pairs/index:v2`, place()], aws)).toMatchObject({ code: 1 });
  });

  test("of a credential helper that config.json names", async () => {
    const home = homeFor(world.root, []);
    const bin = join(world.folder(), "bin");
    mkdirSync(bin);
    const answer = JSON.stringify({ Username: keys.AWS_ACCESS_KEY_ID, Secret: keys.AWS_SECRET_ACCESS_KEY });
    const script = `#!/bin/sh\nread host\n[ "$host" = "${here.host}" ] && echo '${answer}' || { echo 'credentials not found in native keychain'; exit 1; }\n`;
    writeFileSync(join(bin, "docker-credential-tests"), script, { mode: 0o755 });
    writeFileSync(
      join(home.HOME ?? "", ".docker", "config.json"),
      JSON.stringify({ credHelpers: { [here.host]: "tests" } }),
    );
    const path = { ...home, PATH: `${bin}:${process.env.PATH}` };
    expect(await berth(["copy", `${here.host}/index:two`, place()], path)).toMatchObject({ code: 0 });
    writeFileSync(join(home.HOME ?? "", ".docker", "config.json"), JSON.stringify({ credsStore: "tests" }));
    expect(await berth(["copy", `${here.host}/index:two`, place()], path)).toMatchObject({ code: 0 });
    writeFileSync(join(home.HOME ?? "", ".docker", "config.json"), JSON.stringify({ credsStore: "../tests" }));
    expect(await berth(["copy", `${here.host}/index:two`, place()], path)).toMatchObject({
      code: 1,
      out: expect.stringContaining("that is no name"),
    });
  });
});

test("what came is not what it should be: nothing is published", async () => {
  const image = buildImage([[{ path: "a", bytes: new TextEncoder().encode("hello") as never }]]);
  const layout = join(world.folder(), "lying");
  await writeImageLayout(layout, image, "v1");
  const [, layer = ""] = image.blobs.keys();
  const path = join(layout, "blobs", layer.replace(":", "/"));
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  for (const target of [
    `${there.host}/lying`,
    `oci:${join(world.folder(), "x")}`,
    `oci-archive:${join(world.folder(), "x.tar")}`,
  ]) {
    const { code, out } = await berth(["copy", `oci:${layout}`, target], env);
    expect({ code, out }).toMatchObject({ code: 1, out: expect.stringContaining("another digest") });
    if (target.startsWith("oci"))
      expect(existsSync(target.replace(/^[a-z-]+:/, "").replace(/\/x$/, "/x/index.json"))).toBe(false);
  }
  expect(await statusAt(there, "/v2/lying/manifests/v1")).toBe(404);
  expect(await statusAt(there, `/v2/lying/blobs/${layer}`)).toBe(404);
});

async function filesOf(file: string): Promise<Map<string, string>> {
  const list = await new Response(Bun.spawn(["tar", "-tf", file], { stdout: "pipe" }).stdout).text();
  const files = new Map<string, string>();
  for (const name of list.trim().split("\n")) {
    files.set(name, await new Response(Bun.spawn(["tar", "-xOf", file, name], { stdout: "pipe" }).stdout).text());
  }
  return files;
}
