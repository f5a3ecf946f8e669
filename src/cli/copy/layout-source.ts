import { type Digest, digestHex, type Tag } from "../../domain/names.ts";
import { maxManifestBytes } from "../../domain/registry/manifests.ts";
import type { RemoteManifest } from "../../domain/registry/remote-registry.ts";
import { readAll } from "./content.ts";
import { isCalled } from "./docker-names.ts";
import type { Files } from "./files.ts";
import { blobPath, type LayoutEntry, readLayoutIndex } from "./layout-index.ts";
import { type ImageName, type Referrers, type Source, type SourceBlob, showImage } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { createSubjects } from "./subjects.ts";

export interface LayoutSourceOptions {
  /** The one image that is meant, as its name stands in the layout. */
  readonly name?: string;
  /** What has no name is among the images, too. */
  readonly untagged?: boolean;
  /** Told of what cannot be copied because of its name. */
  readonly warn: (text: string) => void;
  /** Where else a blob may lie that is not in its place. */
  readonly elsewhere?: (digest: Digest) => Promise<{ files: Files; path: string } | undefined>;
}

export interface LayoutSource extends Source {
  /** The image that the reference means: by its name, or the only one there is. @throws CopyFailed */
  only(): ImageName;
}

/** An OCI layout in a folder or an archive. @throws CopyFailed for what is none */
export async function openLayoutSource(
  files: Files,
  { name, untagged, warn, elsewhere }: LayoutSourceOptions,
): Promise<LayoutSource> {
  const entries = await readLayoutIndex(files);
  const byDigest = new Map(entries.map((entry) => [entry.digest, entry]));

  const isMeant = (entry: LayoutEntry) =>
    name === undefined ||
    entry.refName === name ||
    entry.digest === name ||
    (entry.image && isCalled(entry.image, name));

  function entryOf({ repository, reference }: ImageName): LayoutEntry | undefined {
    if ("digest" in reference) return byDigest.get(reference.digest);
    // The last one counts where a writer added without taking away.
    return entries.findLast(({ image }) => image && showImage(image) === showImage({ repository, reference }));
  }

  async function manifestAt(digest: Digest, mediaType: string | undefined): Promise<RemoteManifest | undefined> {
    const found = await locate(digest);
    const read = await found.files.read(found.path, 0);
    if (!read) return undefined;
    const bytes = await readAll(read.bytes, maxManifestBytes, digest);
    return { bytes, mediaType: mediaType ?? mediaTypeIn(bytes) };
  }

  async function locate(digest: Digest): Promise<{ files: Files; path: string }> {
    const path = blobPath(digest);
    if (!elsewhere) return { files, path };
    const facts = await files.stat(path);
    // zot leaves an empty file where it keeps the bytes in another repository.
    return facts && facts.sizeBytes > 0 ? { files, path } : ((await elsewhere(digest)) ?? { files, path });
  }

  const subjects = createSubjects(async function* () {
    for (const { digest, mediaType, sizeBytes } of entries) {
      if (sizeBytes > maxManifestBytes) continue;
      const manifest = await manifestAt(digest, mediaType).catch(() => undefined);
      if (manifest) yield { digest, mediaType, sizeBytes, bytes: manifest.bytes };
    }
  });

  return {
    name: files.name,
    separator: ":",
    isLocal: true,
    only() {
      const meant = entries.filter(isMeant);
      const digests = new Set(meant.map(({ digest }) => digest));
      const [first] = meant;
      if (!first)
        throw new CopyFailed(`${files.name} has no image${name === undefined ? "" : ` "${name}"`}`, "missing");
      if (name === undefined && digests.size > 1) {
        const names = entries.flatMap(({ refName }) => refName ?? []);
        const some = names.slice(0, 10).join(", ");
        throw new CopyFailed(
          `${files.name} has ${digests.size} images; name one behind a colon, or copy them with --all${some && `: ${some}`}`,
        );
      }
      const named = meant.findLast(({ image }) => image);
      return named?.image ?? { repository: "", reference: { digest: first.digest } };
    },
    async *images() {
      const seen = new Set<string>();
      for (const entry of entries) {
        if (entry.refName === undefined && untagged) yield { repository: "", reference: { digest: entry.digest } };
        if (!isMeant(entry) || entry.refName === undefined) continue;
        if (!entry.image) warn(`left out: "${entry.refName}" of ${files.name} is no name of an image`);
        else if (!seen.has(showImage(entry.image))) {
          seen.add(showImage(entry.image));
          yield entry.image;
        }
      }
    },
    async manifest(image) {
      const entry = entryOf(image);
      const digest = "digest" in image.reference ? image.reference.digest : entry?.digest;
      return digest && manifestAt(digest, entry?.mediaType);
    },
    async blob(_repository, digest, offset): Promise<SourceBlob | undefined> {
      const found = await locate(digest);
      const read = await found.files.read(found.path, offset);
      return read && { ...read, offset };
    },
    async referrers(repository, subject): Promise<Referrers> {
      const prefix = `sha256-${digestHex(subject)}.`;
      const tags = entries.flatMap(({ image }) => {
        const tag =
          image && image.repository === repository && "tag" in image.reference ? image.reference.tag : undefined;
        return tag?.startsWith(prefix) ? [tag as Tag] : [];
      });
      return { manifests: await subjects.of("", subject), tags };
    },
    close: () => files.close(),
  };
}

/** What a document without a declared type is (OCI image specification: `mediaType` should be there, and is not always). */
export function mediaTypeIn(bytes: Uint8Array): string {
  try {
    const document = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof document?.mediaType === "string") return document.mediaType;
    const kind = Array.isArray(document?.manifests) ? "index" : "manifest";
    return `application/vnd.oci.image.${kind}.v1+json`;
  } catch {
    return "application/vnd.oci.image.manifest.v1+json";
  }
}
