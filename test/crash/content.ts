import { createHash } from "node:crypto";
import { type Digest, type DigestAlgorithm, digestOf, type Tag } from "../../src/domain/names.ts";
import { mediaTypes } from "../../src/domain/registry/manifests.ts";

/** What is pushed. A fixed stock, so that operations meet: the same blob in two repositories, the same image twice. */

export interface Blob {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly algorithm: DigestAlgorithm;
}

/** Nothing, little, around the sizes of pages and of sockets' chunks, and more than one batch of the blob store. */
const sizes = [0, 1, 50, 600, 4_096, 9_001, 20_000, 66_000, 150_000, 1_100_000];
const sha512 = new Set([3, 6]);

export const blobs: readonly Blob[] = sizes.map((size, index) => {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = Math.imul(at + 1, 0x9e3779b1 + index) >>> 24;
  const algorithm = sha512.has(index) ? "sha512" : "sha256";
  return { bytes, algorithm, digest: digestFor(bytes, algorithm) };
});

/** Too large to be chosen as often as the others. */
export const largeBlob = blobs.length - 1;

export interface Image {
  readonly manifest: Buffer;
  readonly mediaType: string;
  readonly digest: Digest;
  /** Indexes of blobs. */
  readonly layers: readonly number[];
  /** Indexes of images. */
  readonly children: readonly number[];
  readonly subject?: Digest;
}

const stock: Image[] = [];

function descriptor(digest: Digest, size: number, mediaType: string) {
  return { mediaType, digest, size };
}

function blobDescriptor(index: number, mediaType: string) {
  const { digest, bytes } = blobAt(index);
  return descriptor(digest, bytes.length, mediaType);
}

function imageDescriptor(index: number) {
  const { digest, manifest, mediaType } = imageAt(index);
  return descriptor(digest, manifest.length, mediaType);
}

function add(document: object, facts: Pick<Image, "layers" | "children" | "subject"> & { mediaType: string }): void {
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: facts.mediaType, ...document }));
  stock.push({ manifest, digest: digestFor(manifest, "sha256"), ...facts });
}

function addImage(config: number, layers: readonly number[], subject?: number | Digest): void {
  const refersTo = typeof subject === "number" ? imageAt(subject).digest : subject;
  add(
    {
      config: blobDescriptor(config, "application/vnd.oci.image.config.v1+json"),
      layers: layers.map((layer) => blobDescriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")),
      ...(refersTo && { artifactType: "application/test", subject: descriptor(refersTo, 1, mediaTypes.ociManifest) }),
    },
    { mediaType: mediaTypes.ociManifest, layers: [...new Set([config, ...layers])], children: [], subject: refersTo },
  );
}

function addIndex(children: readonly number[], subject?: number): void {
  const refersTo = subject === undefined ? undefined : imageAt(subject).digest;
  add(
    {
      manifests: children.map(imageDescriptor),
      ...(refersTo && { subject: descriptor(refersTo, 1, mediaTypes.ociManifest) }),
    },
    { mediaType: mediaTypes.ociIndex, layers: [], children, subject: refersTo },
  );
}

addImage(1, [2, 3]);
addImage(2, [4]);
addImage(0, [5, 5, 6]);
addImage(3, [7, 8]);
addImage(2, [largeBlob]);
addImage(1, [2], 0);
addImage(0, [0], digestFor(Buffer.from("nobody has pushed this"), "sha256"));
addIndex([0, 1]);
addIndex([1, 2], 0);
addIndex([7, 3]);

export const images: readonly Image[] = stock;
export const tags = ["v1", "v2", "latest"] as readonly string[] as readonly Tag[];

export function blobAt(index: number): Blob {
  return at(blobs, index);
}

export function imageAt(index: number): Image {
  return at(stock, index);
}

export function digestFor(bytes: Uint8Array, algorithm: DigestAlgorithm): Digest {
  return digestOf(algorithm, createHash(algorithm).update(bytes).digest("hex"));
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index}`);
  return item;
}
