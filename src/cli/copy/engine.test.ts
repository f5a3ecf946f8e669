import { expect, test } from "bun:test";
import type { Digest, Tag } from "../../domain/names.ts";
import { manifestDigest, mediaTypes } from "../../domain/registry/manifests.ts";
import type { RemoteDescriptor, RemoteManifest } from "../../domain/registry/remote-registry.ts";
import { RemoteFailure } from "../../domain/registry/remote-registry.ts";
import { createCopier } from "./engine.ts";
import { type Destination, type ImageName, type Source, showImage } from "./places.ts";

/** The order in which things are published, and what is refused, between places in memory. */

const text = (value: string) => new TextEncoder().encode(value);
const tag = (name: string) => ({ repository: "app", reference: { tag: name as Tag } }) satisfies ImageName;

interface Node {
  readonly manifest: RemoteManifest;
  readonly digest: Digest;
}

function memory() {
  const manifests = new Map<string, RemoteManifest>();
  const blobs = new Map<Digest, Uint8Array>();
  const referrers = new Map<Digest, RemoteDescriptor[]>();
  /** What the destination was told, in order. */
  const told: string[] = [];
  const put = (image: ImageName, manifest: RemoteManifest) => manifests.set(showImage(image), manifest);

  const blob = (content: string) => {
    const bytes = text(content);
    const digest = manifestDigest(bytes);
    blobs.set(digest, bytes);
    return { mediaType: "application/octet-stream", digest, size: bytes.length };
  };
  const node = (document: Record<string, unknown> & { mediaType: string }): Node => {
    const bytes = text(JSON.stringify({ schemaVersion: 2, ...document }));
    const digest = manifestDigest(bytes);
    const manifest = { mediaType: document.mediaType, bytes };
    put({ repository: "app", reference: { digest } }, manifest);
    return { manifest, digest };
  };
  const image = (content: string, more: object = {}) =>
    node({ mediaType: mediaTypes.ociManifest, config: blob("{}"), layers: [blob(content)], ...more });
  const descriptorOf = ({ manifest, digest }: Node) => ({
    mediaType: manifest.mediaType,
    digest,
    size: manifest.bytes.length,
  });
  const index = (...children: Node[]) =>
    node({ mediaType: mediaTypes.ociIndex, manifests: children.map(descriptorOf) });

  const source: Source = {
    name: "source",
    separator: "/",
    isLocal: false,
    async *images() {},
    manifest: async (name) => manifests.get(showImage(name)),
    async blob(_repository, digest, offset) {
      const bytes = blobs.get(digest);
      if (!bytes) return undefined;
      return {
        offset,
        bytes: (async function* () {
          yield bytes.subarray(offset);
        })(),
      };
    },
    referrers: async (_repository, subject) => ({ manifests: referrers.get(subject) ?? [], tags: [] }),
    async close() {},
  };
  const there = new Map<string, Digest>();
  const arrived = new Set<string>();
  const destination: Destination = {
    name: "destination",
    separator: "/",
    mounts: true,
    onePlatform: false,
    checksManifests: true,
    referrers: true,
    async prepare() {},
    statManifest: async (name) => there.get(showImage(name)),
    hasBlob: async (repository, { digest }) => arrived.has(`${repository}@${digest}`),
    async mount(repository, digest) {
      arrived.add(`${repository}@${digest}`);
      told.push(`mount ${digest}`);
      return true;
    },
    async putBlob(repository, { digest }, open, { sent }) {
      for await (const chunk of open(0)) sent(chunk.length);
      arrived.add(`${repository}@${digest}`);
      told.push(`blob ${digest}`);
    },
    async putManifest(name, { bytes }) {
      there.set(showImage(name), manifestDigest(bytes));
      there.set(showImage({ ...name, reference: { digest: manifestDigest(bytes) } }), manifestDigest(bytes));
      told.push(showImage(name));
    },
    async linkReferrers() {},
    async finish() {},
    async close() {},
  };
  const copier = (changes: { source?: Partial<Source>; destination?: Partial<Destination> } = {}) =>
    createCopier(
      { ...source, ...changes.source },
      { ...destination, ...changes.destination },
      {
        platforms: [],
        referrers: true,
        parallel: 4,
        oneRegistry: false,
        signal: new AbortController().signal,
        progress: { total() {}, done() {} },
        note() {},
      },
    );
  return {
    put,
    blob,
    blobs,
    image,
    index,
    node,
    descriptorOf,
    referrers,
    source,
    destination,
    told,
    manifests,
    copier,
  };
}

test("blobs before their manifest, children before their index, signatures before the tag", async () => {
  const world = memory();
  const [one, two] = [world.image("one"), world.image("two")];
  const root = world.index(one, two);
  world.put(tag("v1"), root.manifest);
  const signature = world.image("signature", { subject: world.descriptorOf(root) });
  world.referrers.set(root.digest, [{ digest: signature.digest, mediaType: mediaTypes.ociManifest, sizeBytes: 1 }]);
  const { tally, referrers } = await world.copier().copyImage(tag("v1"), tag("v2"));
  const place = (what: string) => world.told.indexOf(what);
  expect(tally).toMatchObject({ sentBlobs: 4, thereBlobs: 2, manifests: 5 });
  expect(referrers).toBe(1);
  for (const child of [one, two]) {
    const { layers } = JSON.parse(new TextDecoder().decode(child.manifest.bytes));
    expect(place(`blob ${layers[0].digest}`)).toBeGreaterThanOrEqual(0);
    expect(place(`blob ${layers[0].digest}`)).toBeLessThan(place(`app@${child.digest}`));
    expect(place(`app@${child.digest}`)).toBeLessThan(place(`app@${root.digest}`));
  }
  expect(place(`app@${root.digest}`)).toBeLessThan(place(`app@${signature.digest}`));
  expect(world.told.at(-1)).toBe("app:v2");
});

test("a referrer that another says is one, and that does not say so itself, is none", async () => {
  const world = memory();
  const root = world.image("root");
  world.put(tag("v1"), root.manifest);
  const other = world.image("other");
  world.referrers.set(root.digest, [{ digest: other.digest, mediaType: mediaTypes.ociManifest, sizeBytes: 1 }]);
  await world.copier().copyImage(tag("v1"), tag("v1"));
  expect(world.told).not.toContain(`app@${other.digest}`);
});

test("two images at once send a blob that both have once, and mount it across repositories", async () => {
  const world = memory();
  const [a, b] = [
    world.image("shared", { annotations: { is: "a" } }),
    world.image("shared", { annotations: { is: "b" } }),
  ];
  world.put(tag("a"), a.manifest);
  world.put(tag("b"), b.manifest);
  const copier = world.copier();
  await Promise.all([
    copier.copyImage(tag("a"), tag("a")),
    copier.copyImage(tag("b"), tag("b")),
    copier.copyImage(tag("b"), { ...tag("b"), repository: "other" }),
  ]);
  expect(world.told.filter((what) => what.startsWith("blob"))).toHaveLength(2);
  expect(world.told.filter((what) => what.startsWith("mount"))).toHaveLength(2);
});

test.each([
  [
    "a manifest with another digest",
    "has another digest",
    (world: ReturnType<typeof memory>) => {
      const image = world.image("one");
      world.put({ repository: "app", reference: { digest: image.digest } }, world.image("two").manifest);
      return world.index(image);
    },
  ],
  [
    "a manifest with another size",
    "bytes instead of",
    (world: ReturnType<typeof memory>) => {
      const image = world.image("one");
      return world.node({
        mediaType: mediaTypes.ociIndex,
        manifests: [{ ...world.descriptorOf(image), size: 1 }],
      });
    },
  ],
  [
    "a blob with other bytes",
    "have another digest",
    (world: ReturnType<typeof memory>) => {
      const layer = world.blob("right");
      world.blobs.set(layer.digest, text("wrong"));
      return world.node({ mediaType: mediaTypes.ociManifest, config: world.blob("{}"), layers: [layer] });
    },
  ],
  [
    "a blob that is longer",
    "more came for",
    (world: ReturnType<typeof memory>) => {
      const layer = world.blob("right");
      return world.node({
        mediaType: mediaTypes.ociManifest,
        config: world.blob("{}"),
        layers: [{ ...layer, size: 2 }],
      });
    },
  ],
  [
    "a blob that is shorter",
    "ends after",
    (world: ReturnType<typeof memory>) => {
      const layer = world.blob("right");
      return world.node({
        mediaType: mediaTypes.ociManifest,
        config: world.blob("{}"),
        layers: [{ ...layer, size: 200 }],
      });
    },
  ],
  [
    "a blob that is not there",
    "does not have",
    (world: ReturnType<typeof memory>) => {
      const layer = world.blob("right");
      world.blobs.delete(layer.digest);
      return world.node({ mediaType: mediaTypes.ociManifest, config: world.blob("{}"), layers: [layer] });
    },
  ],
  [
    "a child that is not there",
    "there is no",
    (world: ReturnType<typeof memory>) => {
      const image = world.image("one");
      world.manifests.delete(`app@${image.digest}`);
      return world.index(image);
    },
  ],
  [
    "indexes in indexes without end",
    "more than 4 deep",
    (world: ReturnType<typeof memory>) => {
      let inner = world.image("one");
      for (let depth = 0; depth < 6; depth++) inner = world.index(inner);
      return inner;
    },
  ],
  [
    "more than one manifest may have",
    "cannot be copied",
    (world: ReturnType<typeof memory>) => {
      return world.node({
        mediaType: mediaTypes.ociManifest,
        config: world.blob("{}"),
        layers: [],
        manifests: [],
      });
    },
  ],
])("%s is refused, and no tag is set", async (_what, message, make) => {
  const world = memory();
  world.put(tag("v1"), make(world).manifest);
  await expect(world.copier().copyImage(tag("v1"), tag("v1"))).rejects.toThrow(message);
  expect(world.told).not.toContain("app:v1");
});

test("a source that breaks goes on where it was, and the bytes are verified over the break", async () => {
  const world = memory();
  world.put(tag("v1"), world.image("0123456789").manifest);
  const offsets: number[] = [];
  const source: Partial<Source> = {
    async blob(repository, digest, offset, options) {
      const found = await world.source.blob(repository, digest, offset, options);
      const whole = world.blobs.get(digest) ?? new Uint8Array();
      if (!found || whole.length !== 10) return found;
      offsets.push(offset);
      return {
        offset,
        bytes: (async function* () {
          yield whole.subarray(offset, offset + 4);
          if (offset + 4 < 10) throw new RemoteFailure("unavailable", "broken");
        })(),
      };
    },
  };
  await world.copier({ source }).copyImage(tag("v1"), tag("v1"));
  expect(offsets).toEqual([0, 4, 8]);
  expect(world.told.at(-1)).toBe("app:v1");
});

test("what may pass is tried again, and a refusal is not", async () => {
  const world = memory();
  world.put(tag("v1"), world.image("one").manifest);
  let asked = 0;
  const failing = (problem: "throttled" | "denied") => ({
    async prepare() {
      if (++asked < 3) throw new RemoteFailure(problem, "no", { retryAfterMs: 1 });
    },
  });
  await world.copier({ destination: failing("throttled") }).copyImage(tag("v1"), tag("v1"));
  expect(asked).toBe(3);
  asked = 0;
  await expect(world.copier({ destination: failing("denied") }).copyImage(tag("v1"), tag("v1"))).rejects.toThrow("no");
  expect(asked).toBe(1);
});
