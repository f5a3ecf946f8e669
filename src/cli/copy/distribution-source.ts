import { join } from "node:path";
import { type Digest, digestAlgorithm, digestHex, parseDigest, parseTag } from "../../domain/names.ts";
import { maxManifestBytes } from "../../domain/registry/manifests.ts";
import type { RemoteDescriptor } from "../../domain/registry/remote-registry.ts";
import { readAll } from "./content.ts";
import { filesIn } from "./files.ts";
import { mediaTypeIn } from "./layout-source.ts";
import type { ImageName, Source } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { foldersIn, repositoriesIn } from "./storage-walk.ts";
import { createSubjects } from "./subjects.ts";

export interface StorageOptions {
  readonly wanted: (repository: string) => boolean;
  /** Manifests without a tag, too. */
  readonly untagged: boolean;
  readonly warn: (text: string) => void;
}

const inside = "docker/registry/v2";
const maxLinkBytes = 256;

/**
 * The storage folder of Distribution, Docker's registry, which Harbor has as well: `repositories/NAME/_manifests` has links to
 * digests, `blobs` has the bytes (Distribution, "registry/storage/paths.go").
 * @param root what its configuration calls `rootdirectory`, or `docker/registry/v2` in it
 */
export async function openDistributionSource(
  root: string,
  { wanted, untagged, warn }: StorageOptions,
): Promise<Source> {
  const isRoot = (await foldersIn(join(root, inside))).names.has("repositories");
  const base = isRoot ? join(root, inside) : root;
  if (!(await foldersIn(base)).names.has("repositories")) {
    throw new CopyFailed(`${root} is no storage folder of Distribution: it has no ${inside}/repositories`, "missing");
  }
  const files = filesIn(base);
  const repositories = join(base, "repositories");
  const inManifests = (repository: string, path: string) => `repositories/${repository}/_manifests/${path}`;
  const blobFile = (digest: Digest) =>
    `blobs/${digestAlgorithm(digest)}/${digestHex(digest).slice(0, 2)}/${digestHex(digest)}/data`;

  async function linkAt(path: string): Promise<Digest | undefined> {
    const read = await files.read(path, 0);
    const text = read && new TextDecoder().decode(await readAll(read.bytes, maxLinkBytes, path));
    return text === undefined ? undefined : parseDigest(text.trim());
  }

  /** Links to deleted manifests are gone, while their bytes wait for garbage collection. */
  async function isLinked(repository: string, digest: Digest): Promise<boolean> {
    const path = inManifests(repository, `revisions/${digestAlgorithm(digest)}/${digestHex(digest)}/link`);
    return (await linkAt(path)) === digest;
  }

  async function* revisions(repository: string): AsyncGenerator<Digest> {
    for (const algorithm of ["sha256", "sha512"]) {
      const { folders } = await foldersIn(join(base, inManifests(repository, `revisions/${algorithm}`)));
      for (const hex of folders) {
        const digest = parseDigest(`${algorithm}:${hex}`);
        if (digest && (await isLinked(repository, digest))) yield digest;
      }
    }
  }

  async function bytesOf(digest: Digest): Promise<Uint8Array | undefined> {
    const read = await files.read(blobFile(digest), 0);
    return read && readAll(read.bytes, maxManifestBytes, digest);
  }

  const subjects = createSubjects(async function* (repository): AsyncGenerator<
    RemoteDescriptor & { bytes: Uint8Array }
  > {
    for await (const digest of revisions(repository)) {
      const bytes = await bytesOf(digest);
      if (bytes) yield { digest, bytes, mediaType: mediaTypeIn(bytes), sizeBytes: bytes.length };
    }
  });

  async function tagsOf(repository: string): Promise<string[]> {
    return (await foldersIn(join(base, inManifests(repository, "tags")))).folders;
  }

  return {
    name: root,
    separator: ":",
    isLocal: true,
    async *images(): AsyncGenerator<ImageName> {
      const walking = {
        isRepository: (names: ReadonlySet<string>) => names.has("_manifests"),
        isInner: (name: string) => name.startsWith("_"),
        warn,
      };
      for await (const repository of repositoriesIn(repositories, walking)) {
        if (!wanted(repository)) continue;
        for (const text of await tagsOf(repository)) {
          const tag = parseTag(text);
          if (tag) yield { repository, reference: { tag } };
          else warn(`left out: a tag of ${repository} that is none`);
        }
        if (untagged) for await (const digest of revisions(repository)) yield { repository, reference: { digest } };
      }
    },
    async manifest({ repository, reference }) {
      const digest =
        "digest" in reference
          ? reference.digest
          : await linkAt(inManifests(repository, `tags/${reference.tag}/current/link`));
      if (!digest || !(await isLinked(repository, digest))) return undefined;
      const bytes = await bytesOf(digest);
      return bytes && { bytes, mediaType: mediaTypeIn(bytes) };
    },
    async blob(_repository, digest, offset) {
      const read = await files.read(blobFile(digest), offset);
      return read && { ...read, offset };
    },
    async referrers(repository, subject) {
      const prefix = `sha256-${digestHex(subject)}.`;
      const tags = (await tagsOf(repository)).flatMap((text) =>
        text.startsWith(prefix) ? (parseTag(text) ?? []) : [],
      );
      return { manifests: await subjects.of(repository, subject), tags };
    },
    close: () => files.close(),
  };
}
