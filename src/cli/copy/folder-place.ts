import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestAlgorithm, digestHex } from "../../domain/names.ts";
import { manifestDigest, maxManifestBytes } from "../../domain/registry/manifests.ts";
import { readAll } from "./content.ts";
import { filesIn } from "./files.ts";
import { type LayoutSource, mediaTypeIn } from "./layout-source.ts";
import type { Destination, ImageName } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { writeBlob, writeWhole } from "./whole-files.ts";

/**
 * One image as the files of a folder, as skopeo's `dir:` has it: `manifest.json`, `HEX.manifest.json` for each image of an
 * index, `HEX` for each blob.
 */

const versionFile = { path: "version", text: "Directory Transport Version: 1.1\n" };

/** sha512 digests have their algorithm in front, as in newer versions of skopeo. */
const blobFile = (digest: Digest) =>
  digestAlgorithm(digest) === "sha256" ? digestHex(digest) : digest.replace(":", "-");
const manifestFile = (digest: Digest) => `${blobFile(digest)}.manifest.json`;

export async function openFolderSource(folder: string): Promise<LayoutSource> {
  const files = filesIn(folder);
  const root = await readFile("manifest.json");
  if (!root) throw new CopyFailed(`${folder} is no image: it has no manifest.json`, "missing");
  const digest = manifestDigest(root);

  async function readFile(path: string): Promise<Uint8Array | undefined> {
    const read = await files.read(path, 0);
    return read && readAll(read.bytes, maxManifestBytes, `${path} of ${folder}`);
  }

  return {
    name: folder,
    separator: ":",
    isLocal: true,
    only: (): ImageName => ({ repository: "", reference: { digest } }),
    async *images() {
      yield { repository: "", reference: { digest } };
    },
    async manifest({ reference }) {
      const asked = "digest" in reference ? reference.digest : undefined;
      const bytes = asked === digest ? root : asked && (await readFile(manifestFile(asked)));
      return bytes && { bytes, mediaType: mediaTypeIn(bytes) };
    },
    async blob(_repository, asked, offset) {
      const read = await files.read(blobFile(asked), offset);
      return read && { ...read, offset };
    },
    referrers: async () => ({ manifests: [], tags: [] }),
    close: () => files.close(),
  };
}

export async function openFolderDestination(folder: string): Promise<Destination> {
  const files = filesIn(folder);
  const there = await readdir(folder).catch((): string[] => []);
  if (there.length > 0 && !there.includes(versionFile.path)) {
    throw new CopyFailed(`${folder} is there, and no image; give a new or empty folder`);
  }
  let isMarked = there.includes(versionFile.path);

  /** Marks the folder as ours, so that a second run takes it for one. */
  async function mark(): Promise<void> {
    if (isMarked) return;
    await mkdir(folder, { recursive: true });
    await writeWhole(join(folder, versionFile.path), versionFile.text);
    isMarked = true;
  }

  return {
    name: folder,
    separator: ":",
    mounts: false,
    onePlatform: false,
    checksManifests: false,
    referrers: false,
    async prepare() {},
    async statManifest({ reference }) {
      if (!("digest" in reference)) return undefined;
      return (await files.stat(manifestFile(reference.digest))) && reference.digest;
    },
    async hasBlob(_repository, { digest, sizeBytes }) {
      return (await files.stat(blobFile(digest)))?.sizeBytes === sizeBytes;
    },
    mount: async () => false,
    async putBlob(_repository, blob, open, { sent }) {
      await mark();
      const name = blobFile(blob.digest);
      await writeBlob({ path: join(folder, name), partial: join(folder, `${name}.partial`) }, blob, open, sent);
    },
    async putManifest({ reference }, { bytes }, { isRoot }) {
      await mark();
      const digest = "digest" in reference ? reference.digest : manifestDigest(bytes);
      await writeWhole(join(folder, isRoot ? "manifest.json" : manifestFile(digest)), bytes);
    },
    async linkReferrers() {},
    async finish() {},
    async close() {},
  };
}
