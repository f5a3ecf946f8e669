import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { type Digest, digestOf, parseDigest } from "../../domain/names.ts";
import { manifestDigest, mediaTypes } from "../../domain/registry/manifests.ts";
import type { RemoteManifest } from "../../domain/registry/remote-registry.ts";
import { type Archive, packingOf } from "./archive-files.ts";
import { readAll } from "./content.ts";
import { isCalled } from "./docker-names.ts";
import { isObject, readJson } from "./layout-index.ts";
import type { LayoutSource, LayoutSourceOptions } from "./layout-source.ts";
import { type ImageName, showImage } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { imageCalled } from "./references.ts";

/**
 * An archive of `docker save` that is no OCI layout: `manifest.json` names a configuration and layers, and nobody has written
 * a manifest. One is made here. Layers stay as they are, packed or not; their digests are found by reading the archive once,
 * and compared with those that the configuration tells.
 */

const maxTableBytes = 16 * 1024 * 1024;
const maxConfigBytes = 4 * 1024 * 1024;
const maxImages = 10_000;
const maxLayers = 1_000;
/** What a layer may unpack to for each of its bytes. */
const maxRatio = 1100;

interface Listed {
  readonly config: string;
  readonly layers: readonly string[];
  readonly images: readonly ImageName[];
}

interface Layer {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

export async function openDockerSource(archive: Archive, { name, warn }: LayoutSourceOptions): Promise<LayoutSource> {
  const listed = await readListed(archive, warn);
  /** Where content lies, by digest, as far as it was read. */
  const paths = new Map<Digest, string>();
  const layers = new Map<string, Promise<Layer & { diffId: Digest }>>();
  const made = new Map<Listed, Promise<RemoteManifest>>();
  const byDigest = new Map<Digest, RemoteManifest>();

  const meant = (image: ImageName) => name === undefined || isCalled(image, name);

  function layerAt(path: string): Promise<Layer & { diffId: Digest }> {
    const known = layers.get(path) ?? readLayer(archive, path);
    layers.set(path, known);
    return known;
  }

  async function make({ config: path, layers: names }: Listed): Promise<RemoteManifest> {
    const read = await archive.read(path, 0);
    if (!read) throw new CopyFailed(`${archive.name} does not have ${path}`, "missing");
    const config = await readAll(read.bytes, maxConfigBytes, `the configuration ${path}`);
    const digest = manifestDigest(config);
    checkConfigName(path, digest, archive.name);
    const diffIds = diffIdsIn(config, archive.name);
    if (diffIds.length !== names.length) {
      throw new CopyFailed(`${archive.name}: ${names.length} layers for the ${diffIds.length} of the configuration`);
    }
    paths.set(digest, path);
    const found: Layer[] = [];
    for (const [index, layer] of names.entries()) {
      const { diffId, ...facts } = await layerAt(layer);
      if (diffId !== diffIds[index])
        throw new CopyFailed(`${archive.name}: ${layer} is not the layer ${diffIds[index]}`);
      paths.set(facts.digest, layer);
      found.push(facts);
    }
    const descriptor = (facts: Layer) => ({ mediaType: facts.mediaType, digest: facts.digest, size: facts.sizeBytes });
    const document = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: descriptor({ digest, sizeBytes: config.length, mediaType: "application/vnd.oci.image.config.v1+json" }),
      layers: found.map(descriptor),
    };
    const bytes = new TextEncoder().encode(JSON.stringify(document));
    const manifest = { mediaType: mediaTypes.ociManifest, bytes };
    byDigest.set(manifestDigest(bytes), manifest);
    return manifest;
  }

  function find({ repository, reference }: ImageName): Listed | undefined {
    if ("digest" in reference) return undefined;
    const wanted = showImage({ repository, reference });
    return listed.find(({ images }) => images.some((image) => showImage(image) === wanted)) ?? unnamed(wanted);
  }

  /** An image without a name is called by its place in the list. */
  const unnamed = (wanted: string) => listed[Number(/^image-(\d+)$/.exec(wanted)?.[1] ?? -1)];

  return {
    name: archive.name,
    separator: ":",
    isLocal: true,
    only() {
      const named = listed.filter(({ images }) => name === undefined || images.some(meant));
      const [first] = named;
      if (!first) throw new CopyFailed(`${archive.name} has no image "${name}"`, "missing");
      if (name === undefined && named.length > 1) {
        const names = listed.flatMap(({ images }) => images.map(showImage)).slice(0, 10);
        throw new CopyFailed(
          `${archive.name} has ${named.length} images; name one behind a colon, or copy them with --all: ${names.join(", ")}`,
        );
      }
      return first.images.find(meant) ?? (imageCalled(`image-${listed.indexOf(first)}`) as ImageName);
    },
    async *images() {
      for (const { images } of listed) yield* images.filter(meant);
    },
    async manifest(image) {
      if ("digest" in image.reference) return byDigest.get(image.reference.digest);
      const entry = find(image);
      if (!entry) return undefined;
      const manifest = made.get(entry) ?? make(entry);
      made.set(entry, manifest);
      return manifest;
    },
    async blob(_repository, digest, offset) {
      const path = paths.get(digest);
      const read = path === undefined ? undefined : await archive.read(path, offset);
      return read && { ...read, offset };
    },
    referrers: async () => ({ manifests: [], tags: [] }),
    close: () => archive.close(),
  };
}

async function readListed(archive: Archive, warn: (text: string) => void): Promise<Listed[]> {
  const value = await readJson(archive, "manifest.json", maxTableBytes);
  if (value === undefined)
    throw new CopyFailed(`${archive.name} is no archive of images: it has no manifest.json`, "missing");
  if (!Array.isArray(value) || value.length > maxImages)
    throw new CopyFailed(`${archive.name}: manifest.json must be a list of images`);
  return value.map((entry, at) => {
    const { Config, Layers, RepoTags } = isObject(entry) ? entry : {};
    const isList = (list: unknown): list is string[] =>
      Array.isArray(list) && list.every((text) => typeof text === "string");
    if (typeof Config !== "string" || !isList(Layers) || Layers.length > maxLayers) {
      throw new CopyFailed(`${archive.name}: image ${at} of manifest.json must have 'Config' and 'Layers'`);
    }
    const images = (isList(RepoTags) ? RepoTags : []).flatMap((text) => {
      const image = imageCalled(text);
      if (!image) warn(`left out: "${text}" of ${archive.name} is no name of an image`);
      return image ?? [];
    });
    return { config: Config, layers: Layers, images };
  });
}

/** Digest and size of a layer as it lies there, and the digest of what is in it. */
async function readLayer(archive: Archive, path: string): Promise<Layer & { diffId: Digest }> {
  const read = await archive.read(path, 0);
  if (!read) throw new CopyFailed(`${archive.name} does not have ${path}`, "missing");
  const head = await readHead(archive, path);
  const packing = packingOf(head);
  const outer = createHash("sha256");
  const inner = createHash("sha256");
  const limitBytes = Math.max(1024 * 1024, read.sizeBytes * maxRatio);
  let unpackedBytes = 0;
  async function* hashed() {
    for await (const chunk of read?.bytes ?? []) {
      outer.update(chunk);
      yield chunk;
    }
  }
  async function take(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      unpackedBytes += chunk.length;
      if (unpackedBytes > limitBytes) throw new CopyFailed(`${archive.name}: ${path} unpacks to too much`);
      inner.update(chunk);
    }
  }
  if (packing === undefined) await take(hashed());
  else {
    const unpack = packing === "gzip" ? createGunzip() : createZstdDecompress();
    await pipeline(Readable.from(hashed()), unpack, take).catch((error) => {
      throw error instanceof CopyFailed ? error : new CopyFailed(`${archive.name}: ${path} cannot be unpacked`);
    });
  }
  const [digest, diffId] = [outer, inner].map((hash) => digestOf("sha256", hash.digest("hex"))) as [Digest, Digest];
  const suffix = packing === undefined ? "" : `+${packing}`;
  return { digest, diffId, sizeBytes: read.sizeBytes, mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}` };
}

async function readHead(archive: Archive, path: string): Promise<Uint8Array> {
  const read = await archive.read(path, 0);
  for await (const chunk of read?.bytes ?? []) return chunk.subarray(0, 4);
  return new Uint8Array();
}

/** `docker save` names the configuration after its digest. */
function checkConfigName(path: string, digest: Digest, name: string): void {
  const [, hex] = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(path) ?? [];
  if (hex !== undefined && digest !== `sha256:${hex}`)
    throw new CopyFailed(`${name}: ${path} has another digest`, "broken");
}

function diffIdsIn(config: Uint8Array, name: string): Digest[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(config));
  } catch {
    // Told below.
  }
  const rootfs = isObject(value) ? value.rootfs : undefined;
  const ids = isObject(rootfs) && Array.isArray(rootfs.diff_ids) ? rootfs.diff_ids : undefined;
  const digests = ids?.map((id) => parseDigest(String(id)));
  if (!digests?.every((digest) => digest !== undefined))
    throw new CopyFailed(`${name}: a configuration without rootfs.diff_ids`);
  return digests;
}
