import type { Digest, Tag } from "../../domain/names.ts";
import type { Bytes } from "../../domain/registry/ports.ts";
import type {
  Asking,
  RemoteDescriptor,
  RemoteManifest,
  RemoteReference,
} from "../../domain/registry/remote-registry.ts";

/** An image in some place. The repository is "" where the place knows none, as a layout whose images have tags alone. */
export interface ImageName {
  readonly repository: string;
  readonly reference: RemoteReference;
}

export interface Place {
  /** For people; never with credentials. */
  readonly name: string;
  /** What stands between the place and an image of it: `host/repository:tag`, `folder:tag`. */
  readonly separator: "/" | ":";
}

/** Where images are taken from. Whoever asks verifies what comes. */
export interface Source extends Place {
  /** Whether reading costs nothing but this machine's time, so that it may be done twice. */
  readonly isLocal: boolean;
  /** What has a name there. What cannot be copied because of its name is told, and left out. */
  images(options: Asking): AsyncIterable<ImageName>;
  manifest(image: ImageName, options: Asking): Promise<RemoteManifest | undefined>;
  /** The bytes from an offset on; `offset` of the answer says where they begin in truth, at or before what was asked for. */
  blob(repository: string, digest: Digest, offset: number, options: Asking): Promise<SourceBlob | undefined>;
  /** What names it as its subject, and the tags by which other tools hang signatures on it. */
  referrers(repository: string, subject: Digest, options: Asking): Promise<Referrers>;
  close(): Promise<void>;
}

export interface SourceBlob {
  readonly sizeBytes?: number;
  readonly offset: number;
  readonly bytes: Bytes;
}

export interface Referrers {
  readonly manifests: readonly RemoteDescriptor[];
  readonly tags: readonly Tag[];
}

/** Where images go. Nothing is made before the first thing is put. */
export interface Destination extends Place {
  /** Each repository has blobs of its own, and what one has can be had in another without sending it. */
  readonly mounts: boolean;
  /** One image of one platform is all that its format can hold. */
  readonly onePlatform: boolean;
  /** A manifest that is there has what it refers to, because nobody could have put it otherwise. */
  readonly checksManifests: boolean;
  /** Whether what refers to an image has a place there. */
  readonly referrers: boolean;
  /** Makes the repository where that is asked for. */
  prepare(repository: string, options: Asking): Promise<void>;
  /** The digest of the manifest that is there. */
  statManifest(image: ImageName, options: Asking): Promise<Digest | undefined>;
  hasBlob(repository: string, blob: BlobFacts, options: Asking): Promise<boolean>;
  mount(repository: string, digest: Digest, from: string, options: Asking): Promise<boolean>;
  /**
   * Takes a blob whole or not at all.
   * @param open the bytes from an offset on, which fail at their end when they are not those of the digest
   * @param sent told of bytes as they go
   */
  putBlob(
    repository: string,
    blob: BlobFacts,
    open: (offset: number) => Bytes,
    options: Asking & { sent(bytes: number): void },
  ): Promise<void>;
  /**
   * Everything it refers to was put before.
   * @param isRoot it is what was asked for, and no part of that
   */
  putManifest(image: ImageName, manifest: RemoteManifest, options: Asking & { isRoot: boolean }): Promise<void>;
  /** Called after manifests that have this subject were put, so that they are found by it. */
  linkReferrers(repository: string, subject: Digest, put: readonly RemoteDescriptor[], options: Asking): Promise<void>;
  /** Publishes what is published as a whole. Not called where nothing could be copied. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

export interface BlobFacts {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export function tagOf({ reference }: ImageName): Tag | undefined {
  return "tag" in reference ? reference.tag : undefined;
}

/** `repository:tag`, `repository@sha256:…`, `tag`. */
export function showImage({ repository, reference }: ImageName): string {
  if ("digest" in reference) return `${repository}@${reference.digest}`;
  return repository === "" ? reference.tag : `${repository}:${reference.tag}`;
}

export function showIn({ name, separator }: Place, image: ImageName): string {
  const shown = showImage(image);
  return shown.startsWith("@") ? `${name}${shown}` : `${name}${separator}${shown}`;
}
