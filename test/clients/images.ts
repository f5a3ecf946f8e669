import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OCI_INDEX, OCI_MANIFEST, type Registry, sha256 } from "./registry.ts";

const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

type Bytes = Uint8Array<ArrayBuffer>;

export interface TarFile {
  readonly path: string;
  readonly bytes: Bytes;
  readonly mode?: number;
}

export interface Image {
  readonly manifest: Bytes;
  readonly digest: string;
  /** Config and layers, by digest. */
  readonly blobs: ReadonlyMap<string, Bytes>;
  readonly architecture: string;
}

export interface Index {
  readonly index: Bytes;
  readonly digest: string;
  readonly images: readonly Image[];
}

const text = (value: string): Bytes => new TextEncoder().encode(value);
const json = (value: unknown): Bytes => text(JSON.stringify(value));

/** A tar archive (ustar) with the same bytes on every run. */
export function tar(files: readonly TarFile[]): Bytes {
  const blocks = files.flatMap(({ path, bytes, mode }) => [
    tarHeader(path, bytes.length, mode ?? 0o644),
    padded(bytes),
  ]);
  return Buffer.concat([...blocks, new Uint8Array(1024)]) as Bytes;
}

function tarHeader(path: string, size: number, mode: number): Bytes {
  const header = new Uint8Array(512);
  const write = (offset: number, value: string) => header.set(text(value), offset);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`;
  write(0, path);
  write(100, octal(mode, 8));
  write(108, octal(0, 8));
  write(116, octal(0, 8));
  write(124, octal(size, 12));
  write(136, octal(0, 12));
  write(148, "        ");
  write(156, path.endsWith("/") ? "5" : "0");
  write(257, "ustar\x0000");
  const sum = header.reduce((total, byte) => total + byte, 0);
  write(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return header;
}

function padded(bytes: Bytes): Bytes {
  const rest = bytes.length % 512;
  return rest === 0 ? bytes : (Buffer.concat([bytes, new Uint8Array(512 - rest)]) as Bytes);
}

/** A real image: one gzipped tar for each list of files, and a config that names them. */
export function buildImage(
  layers: readonly (readonly TarFile[])[],
  architecture = "amd64",
  command: readonly string[] = [],
): Image {
  const tars = layers.map(tar);
  const zipped = tars.map((bytes) => Bun.gzipSync(bytes) as Bytes);
  const config = json({
    created: "2026-01-01T00:00:00Z",
    architecture,
    os: "linux",
    config: { Cmd: command },
    rootfs: { type: "layers", diff_ids: tars.map(sha256) },
    history: layers.map((_, number) => ({ created: "2026-01-01T00:00:00Z", created_by: `layer ${number}` })),
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor(OCI_CONFIG, config),
    layers: zipped.map((bytes) => descriptor(OCI_LAYER, bytes)),
  });
  const blobs = new Map([config, ...zipped].map((bytes) => [sha256(bytes), bytes]));
  return { manifest, digest: sha256(manifest), blobs, architecture };
}

/** An image that differs from every other seed's and shares one layer with all of them. */
export function sampleImage(seed: string, architecture = "amd64"): Image {
  return buildImage(
    [
      [
        { path: "etc/", bytes: new Uint8Array(0), mode: 0o755 },
        { path: "etc/shared", bytes: text("the same in every sample\n".repeat(2000)) },
      ],
      [{ path: "etc/seed", bytes: text(`${seed} ${architecture}\n`.repeat(500)) }],
      [{ path: `etc/${architecture}`, bytes: text(`${seed}\n`) }],
    ],
    architecture,
  );
}

export function buildIndex(seed: string, architectures: readonly string[] = ["amd64", "arm64"]): Index {
  const images = architectures.map((architecture) => sampleImage(seed, architecture));
  const manifests = images.map((image) => ({
    ...descriptor(OCI_MANIFEST, image.manifest),
    platform: { os: "linux", architecture: image.architecture },
  }));
  const index = json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  return { index, digest: sha256(index), images };
}

function descriptor(mediaType: string, bytes: Bytes) {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

/** Writes an OCI image layout whose one entry, under `tag`, is the index. */
export async function writeIndexLayout(folder: string, index: Index, tag: string): Promise<void> {
  await writeLayout(folder, descriptor(OCI_INDEX, index.index), tag, [
    index.index,
    ...index.images.flatMap((image) => [image.manifest, ...image.blobs.values()]),
  ]);
}

export async function writeImageLayout(folder: string, image: Image, tag: string): Promise<void> {
  await writeLayout(folder, descriptor(OCI_MANIFEST, image.manifest), tag, [image.manifest, ...image.blobs.values()]);
}

async function writeLayout(folder: string, entry: object, tag: string, blobs: readonly Bytes[]): Promise<void> {
  const blobFolder = join(folder, "blobs", "sha256");
  await mkdir(blobFolder, { recursive: true });
  await Promise.all(blobs.map((bytes) => writeFile(join(blobFolder, sha256(bytes).slice("sha256:".length)), bytes)));
  await writeFile(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const manifests = [{ ...entry, annotations: { "org.opencontainers.image.ref.name": tag } }];
  await writeFile(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
}

/** Pushes blobs and manifest by hand; the answer to the manifest is the caller's to judge. */
export async function pushImage(registry: Registry, repository: string, tag: string, image: Image): Promise<Response> {
  await Promise.all([...image.blobs.values()].map((bytes) => registry.pushBlob(repository, bytes)));
  return registry.pushManifest(repository, tag, image.manifest, OCI_MANIFEST);
}
