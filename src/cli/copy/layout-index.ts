import { parseStrictJson } from "../../domain/json.ts";
import { type Digest, parseDigest } from "../../domain/names.ts";
import type { RemoteDescriptor } from "../../domain/registry/remote-registry.ts";
import { readAll } from "./content.ts";
import type { Files } from "./files.ts";
import type { ImageName } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { imageCalled } from "./references.ts";

/** `index.json` of a layout (OCI image specification, "Image Layout"): what is in it, and by which names. */
export interface LayoutEntry extends RemoteDescriptor {
  /** As it stands there. */
  readonly refName?: string;
  /** What that name means, where it can be an image's. */
  readonly image?: ImageName;
}

export const refName = "org.opencontainers.image.ref.name";
/** Docker and containerd put the whole name here, and the tag alone into the one above. */
export const imageName = "io.containerd.image.name";
export const layoutMarker = { path: "oci-layout", text: '{"imageLayoutVersion":"1.0.0"}' };

export const maxIndexBytes = 64 * 1024 * 1024;
const maxEntries = 100_000;

/** @throws CopyFailed when there is none, or it is not understood */
export async function readLayoutIndex(files: Files): Promise<LayoutEntry[]> {
  const marker = await readDocument(files, layoutMarker.path, 4096);
  if (marker === undefined)
    throw new CopyFailed(`${files.name} is no OCI layout: it has no ${layoutMarker.path}`, "missing");
  const { imageLayoutVersion } = marker;
  if (typeof imageLayoutVersion !== "string" || !imageLayoutVersion.startsWith("1.")) {
    throw new CopyFailed(`${files.name}: a layout of a version that is not known`);
  }
  const index = await readDocument(files, "index.json", maxIndexBytes);
  if (index === undefined) throw new CopyFailed(`${files.name} is no OCI layout: it has no index.json`, "missing");
  const { manifests } = index;
  if (!Array.isArray(manifests) || manifests.length > maxEntries) {
    throw new CopyFailed(`${files.name}: 'manifests' of index.json must be a list of at most ${maxEntries}`);
  }
  return manifests.map((entry, at) => readEntry(entry, `${files.name}: manifests[${at}] of index.json`));
}

/** A JSON object in a file. `undefined` when there is no such file. */
export async function readDocument(
  files: Files,
  path: string,
  limitBytes: number,
): Promise<Record<string, unknown> | undefined> {
  const value = await readJson(files, path, limitBytes);
  if (value === undefined) return undefined;
  if (!isObject(value)) throw new CopyFailed(`${files.name}: ${path} must be an object`);
  return value;
}

export async function readJson(files: Files, path: string, limitBytes: number): Promise<unknown> {
  const found = await files.read(path, 0);
  if (!found) return undefined;
  const bytes = await readAll(found.bytes, limitBytes, `${path} of ${files.name}`);
  const parsed = parseStrictJson(new TextDecoder().decode(bytes), { maxDepth: 64 });
  if ("problem" in parsed) throw new CopyFailed(`${files.name}: ${path} cannot be read: ${parsed.problem}`);
  return parsed.value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readEntry(value: unknown, where: string): LayoutEntry {
  if (!isObject(value)) throw new CopyFailed(`${where} must be a descriptor`);
  const { mediaType, size } = value;
  const digest = typeof value.digest === "string" ? parseDigest(value.digest) : undefined;
  if (!digest) throw new CopyFailed(`${where}: 'digest' must be a sha256 or sha512 digest`);
  if (typeof mediaType !== "string" || mediaType.length > 255)
    throw new CopyFailed(`${where}: 'mediaType' must be a text`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new CopyFailed(`${where}: 'size' must be a number of bytes`);
  }
  const annotations = isObject(value.annotations) ? (value.annotations as Record<string, string>) : undefined;
  const artifactType = typeof value.artifactType === "string" ? { artifactType: value.artifactType } : {};
  const [ref, full] = [refName, imageName]
    .map((key) => annotations?.[key])
    .map((text) => (typeof text === "string" ? text : undefined));
  const name = full ?? ref;
  const image = name === undefined ? undefined : imageCalled(name);
  return { digest, mediaType, sizeBytes: size, annotations, ...artifactType, refName: ref ?? full, image };
}

export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}
