import { createHash } from "node:crypto";
import { parseStrictJson } from "../../policy/json.ts";
import { refuse } from "../errors.ts";
import { type Digest, type DigestAlgorithm, digestAlgorithm, digestOf, parseDigest } from "../names.ts";
import type { LayerReference } from "./ports.ts";

/**
 * Reading a manifest (OCI image specification, "Image Manifest" and "Image Index"; Docker "Image Manifest Version 2,
 * Schema 2"). Pure: whether what it refers to exists is asked elsewhere.
 */

/** ECR's limit for a manifest, and the least a registry should take (OCI distribution specification, "Push"). */
export const maxManifestBytes = 4 * 1024 * 1024;

/** RFC 6838, section 4.2, with parameters. What is taken here is sent as a header some day. */
const mediaTypeForm =
  /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/[A-Za-z0-9][\w!#$&^.+-]{0,126}(?:; ?[\w!#$&^.+-]+=[\w!#$&^.+"-]+){0,8}$/;

/** The members that give a manifest its meaning. */
const members = [
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "manifests",
  "subject",
  "annotations",
];
const descriptorMembers = ["mediaType", "digest", "size", "urls", "data"];

const maxDepth = 64;
const maxTextLength = 4096;

export const mediaTypes = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
} as const;

const schema1 = new Set([
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
]);

/** Layers that may be left out of a registry: their bytes come from elsewhere. */
const foreignLayer = /^application\/vnd\.(?:docker\.image\.rootfs\.foreign\.|oci\.image\.layer\.nondistributable\.)/;

export interface ManifestLayer extends LayerReference {
  readonly sizeBytes: number;
  /** Whether the layer may be missing in the repository, because its bytes can be had elsewhere. */
  readonly isForeign: boolean;
}

export interface Manifest {
  readonly kind: "image" | "index";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Digest;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Config and layers, each digest once, in the order of the document. */
  readonly layers: readonly ManifestLayer[];
  /** Child manifests of an index, each once. */
  readonly children: readonly Digest[];
  /** How large the index says that they are, in the same order. */
  readonly childBytes: readonly number[];
  /** Config and all layers, in bytes, as the manifest declares them; 0 for an index. */
  readonly contentBytes: number;
  /** Where the document first says that content can be had elsewhere, `layers[0]`. Nobody here ever goes there. */
  readonly elsewhere?: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** Where in the document it stands. */
  readonly member: string;
  readonly hasUrls: boolean;
}

/**
 * @param declared the media type that the client sent along: a Content-Type header or imageManifestMediaType
 * @throws ManifestInvalid, ManifestTooLarge
 */
export function parseManifest(bytes: Uint8Array, declared?: string): Manifest {
  if (bytes.length > maxManifestBytes) throw refuse("ManifestTooLarge", { limitBytes: maxManifestBytes });
  const document = parseDocument(bytes);
  const mediaType = mediaTypeOf(document, declared);
  const isIndex = mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;
  if (document.schemaVersion !== 2) throw invalid("schemaVersion must be 2");
  // One document must not mean different things to different readers (GHSA-77vh-xpmg-72qh).
  if (isIndex && ("layers" in document || "config" in document)) {
    throw invalid(`a manifest of type ${mediaType} has no 'layers' or 'config'`);
  }
  if (!isIndex && "manifests" in document) throw invalid(`a manifest of type ${mediaType} has no 'manifests'`);

  const artifactType = optionalText(document.artifactType, "artifactType");
  const subject = document.subject === undefined ? [] : [descriptor(document.subject, "subject")];
  const annotations = parseAnnotations(document.annotations);
  const common = { mediaType, subject: subject[0]?.digest, annotations };
  if (isIndex) {
    const manifests = descriptors(document.manifests ?? [], "manifests");
    const sizes = new Map(manifests.map(({ digest, size }) => [digest, size]));
    const [children, childBytes] = [[...sizes.keys()], [...sizes.values()]];
    const elsewhere = firstElsewhere([...manifests, ...subject]);
    return { ...common, kind: "index", artifactType, layers: [], children, childBytes, contentBytes: 0, elsewhere };
  }
  const config = descriptor(document.config, "config");
  const layers = descriptors(document.layers ?? [], "layers");
  return {
    ...common,
    kind: "image",
    elsewhere: firstElsewhere([config, ...layers, ...subject]),
    artifactType: artifactType ?? config.mediaType,
    layers: distinct([config, ...layers]),
    children: [],
    childBytes: [],
    contentBytes: [config, ...layers].reduce((sum, { size }) => sum + size, 0),
  };
}

function firstElsewhere(descriptors: readonly Descriptor[]): string | undefined {
  return descriptors.find(({ hasUrls }) => hasUrls)?.member;
}

/** Each digest once. What is foreign in one place and not in another must be here. */
function distinct(descriptors: readonly Descriptor[]): ManifestLayer[] {
  const byDigest = new Map<Digest, ManifestLayer>();
  for (const { digest, mediaType, size: sizeBytes } of descriptors) {
    const isForeign = foreignLayer.test(mediaType);
    const known = byDigest.get(digest);
    if (!known || (known.isForeign && !isForeign)) byDigest.set(digest, { digest, mediaType, sizeBytes, isForeign });
  }
  return [...byDigest.values()];
}

export function manifestDigest(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return digestOf(algorithm, createHash(algorithm).update(bytes).digest("hex"));
}

function invalid(reason: string) {
  return refuse("ManifestInvalid", { reason: `The image manifest is invalid: ${reason}` });
}

function parseDocument(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid("not UTF-8");
  }
  const parsed = parseStrictJson(text, { maxDepth });
  if ("problem" in parsed) throw invalid(parsed.problem);
  if (!isObject(parsed.value)) throw invalid("not a JSON object");
  refuseLookAlikes(parsed.value, members);
  // Writers in Go spell an empty list or a missing object as null.
  return Object.fromEntries(Object.entries(parsed.value).filter(([, value]) => value !== null));
}

/** Readers in Go take `Layers` for `layers`: to them the document would have another meaning than here. */
function refuseLookAlikes(object: Record<string, unknown>, known: readonly string[]): void {
  for (const key of Object.keys(object)) {
    // Through upper case, because these readers also take `ſ` for `s` and the sign of Kelvin for `k`.
    const folded = key.toUpperCase().toLowerCase();
    const meant = known.find((member) => member.toLowerCase() === folded);
    if (meant !== undefined && meant !== key) throw invalid(`the key '${clip(key)}' must be written '${meant}'`);
  }
}

function mediaTypeOf(document: Record<string, unknown>, declared: string | undefined): string {
  const own = optionalText(document.mediaType, "mediaType");
  const given = declared?.split(";")[0]?.trim().toLowerCase() || undefined;
  if (document.schemaVersion === 1 || schema1.has(own ?? "") || schema1.has(given ?? "")) {
    throw refuse("ManifestInvalid", {
      reason: "Docker image manifest schema 1 is not supported; push the image with schema 2 or as an OCI image",
    });
  }
  if (own !== undefined && given !== undefined && own !== given) {
    throw invalid(`its mediaType is '${own}', but it was sent as '${given}'`);
  }
  const mediaType = own ?? given;
  if (mediaType === undefined) {
    throw refuse("ManifestInvalid", { reason: "image manifest mediatype not provided in manifest or parameter" });
  }
  if (!(Object.values(mediaTypes) as string[]).includes(mediaType)) {
    throw invalid(`media type '${clip(mediaType)}' is not supported`);
  }
  return mediaType;
}

function descriptors(value: unknown, member: string): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`'${member}' must be a list`);
  return value.map((item, index) => descriptor(item, `${member}[${index}]`));
}

function descriptor(value: unknown, member: string): Descriptor {
  if (!isObject(value)) throw invalid(`'${member}' must be a descriptor`);
  const { mediaType, size } = value;
  const digest = typeof value.digest === "string" ? parseDigest(value.digest) : undefined;
  refuseLookAlikes(value, descriptorMembers);
  if (typeof mediaType !== "string" || !mediaTypeForm.test(mediaType)) {
    throw invalid(`'${member}.mediaType' must be a media type`);
  }
  if (!digest) throw invalid(`'${member}.digest' must be a sha256 or sha512 digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`'${member}.size' must be a number of bytes`);
  }
  checkData(value.data, { digest, size }, member);
  return { mediaType, digest, size, member, hasUrls: hasUrls(value.urls, member) };
}

function hasUrls(value: unknown, member: string): boolean {
  if (value === undefined || value === null) return false;
  const isList = Array.isArray(value) && value.every((url) => typeof url === "string" && url.length <= maxTextLength);
  if (!isList) throw invalid(`'${member}.urls' must be a list of strings`);
  return value.length > 0;
}

/** Content that a manifest brings along is what some clients take instead of the blob, so it must be the same. */
function checkData(value: unknown, { digest, size }: Pick<Descriptor, "digest" | "size">, member: string): void {
  if (value === undefined || value === null) return;
  const data = typeof value === "string" ? Buffer.from(value, "base64") : undefined;
  if (data?.toString("base64") !== value) throw invalid(`'${member}.data' must be base64`);
  const isSame = data.length === size && manifestDigest(data, digestAlgorithm(digest)) === digest;
  if (!isSame) throw invalid(`'${member}.data' does not have the digest and size of its descriptor`);
}

function parseAnnotations(value: unknown): Record<string, string> | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) throw invalid("'annotations' must be an object");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw invalid(`annotation '${clip(key)}' must be a string`);
  }
  return value as Record<string, string>;
}

function optionalText(value: unknown, member: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value.length > maxTextLength) throw invalid(`'${member}' must be a string`);
  return value === "" ? undefined : value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function clip(text: string): string {
  return text.length > 128 ? `${text.slice(0, 128)}…` : text;
}
