import { type FileHandle, lstat, open, rename } from "node:fs/promises";
import { type Digest, parseDigest } from "../../domain/names.ts";
import { manifestDigest } from "../../domain/registry/manifests.ts";
import type { RemoteManifest } from "../../domain/registry/remote-registry.ts";
import { createSlots } from "../../domain/turns.ts";
import { createVerifier } from "./content.ts";
import { type DockerImage, dockerEntry } from "./docker-images.ts";
import { chunksOf } from "./files.ts";
import { blobPath, imageName, layoutMarker, refName } from "./layout-index.ts";
import { type BlobFacts, type Destination, type ImageName, showImage, tagOf } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { readTable, type TarFile } from "./tar.ts";
import { endOfArchive, headerFor, padding } from "./tar-writing.ts";
import { fill, openLeftover, writeAll } from "./whole-files.ts";

export interface ArchiveOptions {
  /** docker: one that `docker load` takes, which is an OCI layout too. */
  readonly format: "oci" | "docker";
  /** What an image without a better name is called, `host/repository:tag`. */
  readonly fullName: (image: ImageName) => string | undefined;
}

/**
 * A tar archive with an OCI layout. It is made beside its name and takes it when it is whole; what a run that was stopped
 * left there is verified and gone on with.
 */
export async function openArchiveDestination(path: string, { format, fullName }: ArchiveOptions): Promise<Destination> {
  await refuseExisting(path);
  const partial = `${path}.berth-partial`;
  const writer = createSlots(1);
  const resumed = await resume(partial);
  const files = new Map(resumed.files);
  let { file, end } = resumed;
  const entries = new Map<string, object>();
  const images: DockerImage[] = [];

  async function opened(): Promise<FileHandle> {
    file ??= await open(partial, "wx+", 0o666);
    return file;
  }

  /** The header comes last: an entry that has one is whole. */
  async function append(blob: BlobFacts & { path: string }, write: (file: FileHandle, at: number) => Promise<void>) {
    const target = await opened();
    const header = headerFor(blob.path, blob.sizeBytes);
    const offset = end + header.length;
    await target.truncate(offset);
    await write(target, offset);
    await writeAll(target, padding(blob.sizeBytes), offset + blob.sizeBytes);
    await writeAll(target, header, end);
    files.set(blob.path, { offset, sizeBytes: blob.sizeBytes });
    end = offset + blob.sizeBytes + padding(blob.sizeBytes).length;
  }

  const appendBytes = (name: string, bytes: Uint8Array) =>
    append({ digest: manifestDigest(bytes), sizeBytes: bytes.length, path: name }, (target, at) =>
      writeAll(target, bytes, at),
    );

  function enter(image: ImageName, { bytes, mediaType }: RemoteManifest, digest: Digest): void {
    const tag = tagOf(image);
    const full = fullName(image);
    const annotations = {
      ...(tag === undefined ? {} : { [refName]: format === "docker" ? tag : showImage(image) }),
      ...(full === undefined || format === "oci" ? {} : { [imageName]: full }),
    };
    const descriptor = { mediaType, digest, size: bytes.length };
    entries.set(showImage(image), Object.keys(annotations).length === 0 ? descriptor : { ...descriptor, annotations });
    if (format === "docker") images.push(dockerEntry(bytes, full));
  }

  return {
    name: path,
    separator: ":",
    mounts: false,
    onePlatform: format === "docker",
    checksManifests: false,
    referrers: format === "oci",
    async prepare() {},
    async statManifest({ reference }) {
      return "digest" in reference && files.has(blobPath(reference.digest)) ? reference.digest : undefined;
    },
    hasBlob: async (_repository, { digest, sizeBytes }) => files.get(blobPath(digest))?.sizeBytes === sizeBytes,
    mount: async () => false,
    async putBlob(_repository, blob, open, { signal, sent }) {
      await writer.run(async () => {
        const path = blobPath(blob.digest);
        if (!files.has(path)) await append({ ...blob, path }, (target, at) => fill(target, at, blob, open, sent));
      }, signal);
    },
    async putManifest(image, manifest, { signal, isRoot }) {
      const { bytes } = manifest;
      const digest = "digest" in image.reference ? image.reference.digest : manifestDigest(bytes);
      // What Docker cannot load is refused before anything of it is written.
      if (isRoot) enter(image, manifest, digest);
      await writer.run(async () => {
        if (!files.has(blobPath(digest))) await appendBytes(blobPath(digest), bytes);
      }, signal);
    },
    async linkReferrers(_repository, _subject, put) {
      for (const { digest, mediaType, sizeBytes, artifactType } of put) {
        entries.set(digest, { mediaType, digest, size: sizeBytes, ...(artifactType ? { artifactType } : {}) });
      }
    },
    async finish() {
      if (entries.size === 0) return;
      const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
      await appendBytes("index.json", json({ schemaVersion: 2, manifests: [...entries.values()] }));
      await appendBytes(layoutMarker.path, new TextEncoder().encode(layoutMarker.text));
      if (format === "docker") await appendBytes("manifest.json", json(images));
      const target = await opened();
      await writeAll(target, endOfArchive, end);
      await target.sync();
      await refuseExisting(path);
      await rename(partial, path);
    },
    async close() {
      await file?.close();
      file = undefined;
    },
  };
}

async function refuseExisting(path: string): Promise<void> {
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  );
  if (isThere)
    throw new CopyFailed(`${path} is there already, and archives are not added to; remove it or give another name`);
}

/** Blobs that an earlier run had finished. What is not a whole blob is where this one goes on. */
async function resume(
  partial: string,
): Promise<{ file: FileHandle | undefined; files: Map<string, TarFile>; end: number }> {
  let file: FileHandle;
  try {
    file = await openLeftover(partial);
  } catch (error) {
    if (!(error instanceof CopyFailed && error.why === "missing")) throw error;
    return { file: undefined, files: new Map(), end: 0 };
  }
  try {
    return { file, ...(await wholeIn(file, partial)) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function wholeIn(file: FileHandle, partial: string): Promise<{ files: Map<string, TarFile>; end: number }> {
  const { files } = await readTable(file, (await file.stat()).size, partial, { lenient: true });
  const whole = new Map<string, TarFile>();
  let end = 0;
  for (const [path, facts] of files) {
    const digest = parseDigest(path.replace(/^blobs\//, "").replace("/", ":"));
    if (!digest || !(await isWhole(file, facts, digest))) break;
    whole.set(path, facts);
    end = facts.offset + facts.sizeBytes + padding(facts.sizeBytes).length;
  }
  return { files: whole, end };
}

async function isWhole(file: FileHandle, { offset, sizeBytes }: TarFile, digest: Digest): Promise<boolean> {
  try {
    const bytes = chunksOf(file, offset, offset + sizeBytes);
    for await (const _ of createVerifier({ digest, sizeBytes }).pass(bytes, 0));
    return true;
  } catch {
    return false;
  }
}
