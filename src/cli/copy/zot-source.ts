import { join } from "node:path";
import type { Digest } from "../../domain/names.ts";
import type { StorageOptions } from "./distribution-source.ts";
import { type Files, filesIn } from "./files.ts";
import { blobPath, layoutMarker } from "./layout-index.ts";
import { type LayoutSource, openLayoutSource } from "./layout-source.ts";
import type { ImageName, Source } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { repositoriesIn } from "./storage-walk.ts";

/** Where newer versions keep blobs that repositories share. */
const sharedFolder = "_blobstore";
const mostOpen = 16;

/**
 * The storage folder of zot: an OCI layout for each repository. Blobs that several have are there as hard links, or as
 * empty files beside one that has the bytes.
 */
export async function openZotSource(root: string, { wanted, untagged, warn }: StorageOptions): Promise<Source> {
  const layouts = new Map<string, Promise<LayoutSource>>();
  const all: string[] = [];
  const walking = {
    isRepository: (names: ReadonlySet<string>) => names.has(layoutMarker.path) && names.has("index.json"),
    isInner: (name: string) => /^[._]|^blobs$/.test(name),
    warn,
  };
  for await (const repository of repositoriesIn(root, walking)) all.push(repository);
  if (all.length === 0) throw new CopyFailed(`${root} is no storage folder of zot: it has no OCI layout`, "missing");

  async function elsewhere(digest: Digest): Promise<{ files: Files; path: string } | undefined> {
    const path = blobPath(digest);
    for (const folder of [sharedFolder, ...all]) {
      const files = filesIn(join(root, folder));
      if (((await files.stat(path))?.sizeBytes ?? 0) > 0) return { files, path };
    }
    return undefined;
  }

  function layoutOf(repository: string): Promise<LayoutSource> {
    const known =
      layouts.get(repository) ?? openLayoutSource(filesIn(join(root, repository)), { untagged, warn, elsewhere });
    layouts.set(repository, known);
    const [oldest] = layouts.keys();
    if (layouts.size > mostOpen && oldest !== undefined) layouts.delete(oldest);
    return known;
  }

  const within = ({ reference }: ImageName): ImageName => ({ repository: "", reference });

  return {
    name: root,
    separator: ":",
    isLocal: true,
    async *images(options): AsyncGenerator<ImageName> {
      for (const repository of all) {
        if (!wanted(repository)) continue;
        try {
          const layout = await layoutOf(repository);
          for await (const { reference } of layout.images(options)) yield { repository, reference };
        } catch (error) {
          if (!(error instanceof CopyFailed)) throw error;
          warn(`left out: ${repository}: ${error.message}`);
        }
      }
    },
    async manifest(image, options) {
      return (await layoutOf(image.repository)).manifest(within(image), options);
    },
    async blob(repository, digest, offset, options) {
      return (await layoutOf(repository)).blob("", digest, offset, options);
    },
    async referrers(repository, subject, options) {
      return (await layoutOf(repository)).referrers("", subject, options);
    },
    async close() {},
  };
}
