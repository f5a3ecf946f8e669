import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../domain/names.ts";
import { manifestDigest, mediaTypes } from "../../domain/registry/manifests.ts";
import { createSlots } from "../../domain/turns.ts";
import { filesIn } from "./files.ts";
import { blobPath, layoutMarker, maxIndexBytes, readDocument, readLayoutIndex, refName } from "./layout-index.ts";
import { type Destination, type ImageName, showImage, tagOf } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { writeBlob, writeWhole } from "./whole-files.ts";

/** Transfers that did not come to their end wait here for the next run. No layout knows the name. */
const partialFolder = ".berth-partial";
/** How often the index is written while images arrive: a run that is killed has so much to look at again. */
const everyMs = 1000;

/** An OCI layout in a folder, made if there is none. */
export async function openLayoutDestination(folder: string): Promise<Destination> {
  const files = filesIn(folder);
  const isThere = (await files.stat(layoutMarker.path)) !== undefined;
  if (!isThere && (await contents(folder)).some((name) => name !== partialFolder && name !== "blobs")) {
    throw new CopyFailed(`${folder} is there, and no OCI layout; give a new or empty folder`);
  }
  if (isThere) await readLayoutIndex(files);
  /** What is to be in the index, beside what is there: by name, or by digest for what has none. */
  const changes = new Map<string, object>();
  const writer = createSlots(1);
  let isMarked = isThere;
  let writtenMs = Number.NEGATIVE_INFINITY;

  const nameIn = (image: ImageName) => (tagOf(image) === undefined ? undefined : showImage(image));

  /** Reads it again, because another process may have added something meanwhile. */
  const writeIndex = () =>
    writer.run(async () => {
      if (changes.size === 0) return;
      const taken = new Map(changes);
      const index = (await readDocument(files, "index.json", maxIndexBytes)) ?? {
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
      };
      const there = Array.isArray(index.manifests) ? index.manifests : [];
      const rest = there.filter((entry) => !taken.has(keyOf(entry)));
      const text = JSON.stringify({ ...index, manifests: [...rest, ...taken.values()] }, null, 2);
      await writeWhole(join(folder, "index.json"), `${text}\n`);
      if (!isMarked) await writeWhole(join(folder, layoutMarker.path), layoutMarker.text);
      isMarked = true;
      // What came meanwhile stays for the next time.
      for (const [key, entry] of taken) if (changes.get(key) === entry) changes.delete(key);
      writtenMs = performance.now();
    });

  async function hasWhole(digest: Digest, sizeBytes?: number): Promise<boolean> {
    const facts = await files.stat(blobPath(digest));
    return facts !== undefined && (sizeBytes === undefined || facts.sizeBytes === sizeBytes);
  }

  return {
    name: folder,
    separator: ":",
    mounts: false,
    onePlatform: false,
    checksManifests: false,
    referrers: true,
    async prepare() {},
    async statManifest(image) {
      const { reference } = image;
      if ("digest" in reference) return (await hasWhole(reference.digest)) ? reference.digest : undefined;
      if (!isMarked) return undefined;
      const name = nameIn(image);
      const entry = (await readLayoutIndex(files)).findLast((each) => each.refName === name);
      return entry && (await hasWhole(entry.digest)) ? entry.digest : undefined;
    },
    hasBlob: (_repository, { digest, sizeBytes }) => hasWhole(digest, sizeBytes),
    mount: async () => false,
    async putBlob(_repository, blob, open, { sent }) {
      const partial = join(folder, partialFolder, blob.digest.replace(":", "-"));
      await writeBlob({ path: join(folder, blobPath(blob.digest)), partial }, blob, open, sent);
    },
    async putManifest(image, { bytes, mediaType }, { isRoot }) {
      const digest = "digest" in image.reference ? image.reference.digest : manifestDigest(bytes);
      await writeWhole(join(folder, blobPath(digest)), bytes);
      if (!isRoot) return;
      const name = nameIn(image);
      const annotations = name === undefined ? {} : { annotations: { [refName]: name } };
      changes.set(name ?? digest, { mediaType, digest, size: bytes.length, ...annotations });
      if (performance.now() - writtenMs >= everyMs) await writeIndex();
    },
    /** In a layout they are found because the index has them (as ORAS and others do). */
    async linkReferrers(_repository, _subject, put) {
      for (const { digest, mediaType, sizeBytes, artifactType } of put) {
        changes.set(digest, { mediaType, digest, size: sizeBytes, ...(artifactType ? { artifactType } : {}) });
      }
    },
    async finish() {
      await writeIndex();
      await rm(join(folder, partialFolder), { recursive: true, force: true });
    },
    close: writeIndex,
  };
}

function keyOf(entry: { digest?: string; annotations?: Record<string, string> } | undefined): string {
  return entry?.annotations?.[refName] ?? entry?.digest ?? "";
}

async function contents(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new CopyFailed(`${folder} cannot be used (${code})`);
  }
}
