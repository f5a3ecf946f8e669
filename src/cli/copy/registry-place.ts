import { type Digest, digestHex, parseTag, type Tag } from "../../domain/names.ts";
import { mediaTypes } from "../../domain/registry/manifests.ts";
import {
  type Asking,
  type RemoteDescriptor,
  RemoteFailure,
  type RemoteManifest,
  type RemoteRegistry,
} from "../../domain/registry/remote-registry.ts";
import type { Journal } from "./journal.ts";
import type { Destination, ImageName, Referrers, Source } from "./places.ts";
import { CopyFailed } from "./problems.ts";

/** A registry as a place that images are taken from or brought to. */

/** What cosign puts signatures, attestations and bills of materials under, behind the digest of their image. */
const signatureSuffixes = ["sig", "att", "sbom"];

export interface RegistrySourceOptions {
  /** The one repository that is meant; "" for all of them. */
  readonly repository: string;
  /** Whether a repository's images may be meant at all. */
  readonly wanted: (repository: string) => boolean;
  readonly warn: (text: string) => void;
  /** In place of the registry's own list, which ECR does not have. */
  readonly repositories?: (options: Asking) => AsyncIterable<string>;
}

export function registrySource(remote: RemoteRegistry, options: RegistrySourceOptions): Source {
  const { wanted, warn } = options;

  async function* repositories(asking: Asking): AsyncIterable<string> {
    if (options.repository !== "") yield options.repository;
    else yield* options.repositories?.(asking) ?? remote.repositories(asking);
  }

  return {
    name: remote.name,
    separator: "/",
    isLocal: false,
    async *images(asking): AsyncIterable<ImageName> {
      for await (const repository of repositories(asking)) {
        if (options.repository === "" && !wanted(repository)) continue;
        for await (const text of remote.tags(repository, asking)) {
          const tag = parseTag(text);
          if (tag) yield { repository, reference: { tag } };
          else warn(`left out: a tag of ${repository} that is none`);
        }
      }
    },
    async manifest({ repository, reference }, asking) {
      const found = await remote.manifest(repository, reference, asking);
      return found === "unchanged" ? undefined : found;
    },
    blob: (repository, digest, offset, asking) => remote.blob(repository, digest, { ...asking, offset }),
    async referrers(repository, subject, asking): Promise<Referrers> {
      const [manifests, ...tags] = await Promise.all([
        remote.referrers(repository, subject, asking),
        ...signatureSuffixes.map(async (suffix) => {
          const tag = `sha256-${digestHex(subject)}.${suffix}` as Tag;
          return (await remote.statManifest(repository, { tag }, asking)) && tag;
        }),
      ]);
      return { manifests, tags: tags.flatMap((tag) => tag ?? []) };
    },
    async close() {},
  };
}

export interface RegistryDestinationOptions {
  readonly journal: Journal;
  /** Makes a repository that is not there. */
  readonly make?: (repository: string, asking: Asking) => Promise<void>;
}

/** An upload that is smaller is begun anew sooner than its traces are found. */
const journaledBytes = 8 * 1024 * 1024;

export function registryDestination(
  remote: RemoteRegistry,
  { journal, make }: RegistryDestinationOptions,
): Destination {
  const prepared = new Map<string, Promise<void>>();

  return {
    name: remote.name,
    separator: "/",
    mounts: true,
    onePlatform: false,
    checksManifests: true,
    referrers: true,
    prepare(repository, asking) {
      const known = prepared.get(repository);
      if (known || !make) return known ?? Promise.resolve();
      const made = make(repository, asking);
      prepared.set(repository, made);
      made.catch(() => prepared.delete(repository));
      return made;
    },
    async statManifest({ repository, reference }, asking) {
      const found = await remote.statManifest(repository, reference, asking);
      // A registry that names no digest can still be asked by it.
      return found && (found.digest ?? ("digest" in reference ? reference.digest : undefined));
    },
    async hasBlob(repository, { digest, sizeBytes }, asking) {
      const found = await remote.statBlob(repository, digest, asking);
      if (found && found.sizeBytes !== sizeBytes) {
        throw new CopyFailed(`${remote.name} has ${digest} with ${found.sizeBytes} bytes instead of ${sizeBytes}`);
      }
      return found !== undefined;
    },
    mount: (repository, digest, from, asking) => remote.mountBlob(repository, digest, from, asking),
    async putBlob(repository, blob, open, { signal, sent }) {
      if (blob.sizeBytes < journaledBytes) return remote.putBlob(repository, blob, open, { signal, sent });
      const entry = journal.entry(remote.name, repository, blob.digest);
      const upload = { begun: await entry.read(), keep: entry.keep };
      try {
        await remote.putBlob(repository, blob, open, { signal, sent, upload });
      } catch (error) {
        // What the registry has of it may be wrong: nothing is gained by going on with that.
        if (error instanceof RemoteFailure ? error.problem === "refused" : error instanceof CopyFailed)
          await entry.forget();
        throw error;
      }
      await entry.forget();
    },
    putManifest: ({ repository, reference }, manifest, { signal }) =>
      remote.putManifest(repository, reference, manifest, { signal }),
    async linkReferrers(repository, subject, put, asking) {
      const listed = await remote.referrers(repository, subject, asking);
      const missing = put.filter(({ digest }) => !listed.some((each) => each.digest === digest));
      if (missing.length > 0) await putReferrersTag(repository, subject, [...listed, ...missing], asking);
    },
    async finish() {},
    async close() {},
  };

  /** For registries without the referrers API, whose clients keep the list (distribution specification, "Referrers Tag Schema"). */
  async function putReferrersTag(
    repository: string,
    subject: Digest,
    referrers: readonly RemoteDescriptor[],
    asking: Asking,
  ): Promise<void> {
    const manifests = referrers.map(({ digest, mediaType, sizeBytes, artifactType, annotations }) => {
      return { mediaType, digest, size: sizeBytes, artifactType, annotations };
    });
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
    const manifest: RemoteManifest = {
      mediaType: mediaTypes.ociIndex,
      bytes: new TextEncoder().encode(JSON.stringify(index)),
    };
    const tag = subject.replace(":", "-").slice(0, 128) as Tag;
    await remote.putManifest(repository, { tag }, manifest, asking);
  }
}
