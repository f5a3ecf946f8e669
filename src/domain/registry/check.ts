import type { Arn, Digest, Registry, RepositoryName, Tag } from "../names.ts";
import { compareBlobs } from "./check-blobs.ts";
import { compareImages, compareTags } from "./check-images.ts";
import { type Stores, strayAfterMs } from "./collection.ts";

/**
 * Compares what the metadata says with what is in the store, both ways, while the registry is in use or not. Every
 * difference is looked at a second time before it counts, because a push or a collection may be between two steps.
 * Memory does not grow with the registry: both sides are sorted by digest and read side by side.
 */
export async function check(stores: Stores, options: CheckOptions): Promise<CheckCounts> {
  const counts: Counts = {
    images: 0,
    tags: 0,
    blobs: 0,
    blobBytes: 0,
    rehashed: 0,
    rehashedBytes: 0,
    youngCopies: 0,
    awaitingRemoval: 0,
    freedBytes: 0,
    problems: 0,
    remaining: 0,
  };
  const run: Run = {
    ...options,
    stores,
    counts,
    found(problem) {
      counts.problems++;
      if (problem.outcome !== "repaired") counts.remaining++;
      options.found(problem);
    },
  };
  options.progress?.({ phase: "database", done: 0, total: 0 });
  for (const what of await stores.metadata.damages()) run.found({ kind: "DatabaseDamaged", what, outcome: "remains" });
  const totals = await stores.metadata.read.inspection.totals();
  await compareImages(run, totals.images);
  await compareTags(run, totals.tags);
  await compareBlobs(run, totals);
  await findAbandonedUploads(run);
  return counts;
}

export interface CheckOptions {
  /** Whether every blob is read and hashed again. Those in quarantine are, for a repair, in any case. */
  readonly rehash: boolean;
  /** Whether to mend what can be mended. What is wrong is kept from being served in any case. */
  readonly repair: boolean;
  /** How fast blobs are read; 0 is as fast as possible. */
  readonly bytesPerSecond: number;
  found(problem: Problem): void;
  /** Called often. `total` is an estimate, since others go on meanwhile; 0 where there is none. */
  progress?(progress: CheckProgress): void;
}

export interface CheckProgress {
  readonly phase: "database" | "images" | "tags" | "blobs" | "bytes";
  readonly done: number;
  readonly total: number;
}

export const problemKinds = [
  /** The metadata names a copy that the store does not have. */
  "BlobMissing",
  /** A copy is shorter or longer than the metadata says. */
  "BlobSizeWrong",
  /** A copy has other bytes than its digest says. */
  "BlobCorrupt",
  /** The store has a copy and cannot read it. */
  "BlobUnreadable",
  /** A key cannot be used. What it seals may be sound, and nobody can read it. */
  "KeyUnusable",
  /** A copy was found damaged before, and nobody has pushed the content since. */
  "BlobInQuarantine",
  /** A copy that nothing names, and that is too old to belong to a push. */
  "Stray",
  /** Staged bytes that no upload owns. */
  "AbandonedUpload",
  "ManifestMissing",
  "ManifestCorrupt",
  /** The bytes are as they were pushed, and are no manifest to this version. */
  "ManifestInvalid",
  /** What the tables say that a manifest refers to is not what its bytes say. */
  "ReferencesDiffer",
  /** A layer or image that a manifest refers to is not in the repository. */
  "ReferenceMissing",
  "TagCountWrong",
  /** Tags or layers of an image are kept with another status than the image's: readable or not, and should not be. */
  "StatusDiffers",
  "TagWithoutImage",
  /** What the database says of its own files. */
  "DatabaseDamaged",
] as const;
export type ProblemKind = (typeof problemKinds)[number];

export interface Problem {
  readonly kind: ProblemKind;
  /** For people: a sentence without an end. */
  readonly what: string;
  /** `quarantined`: kept from being served, and mended by whoever pushes the content again. */
  readonly outcome: "repaired" | "quarantined" | "remains";
  /** Of the blob, or of the image. */
  readonly digest?: Digest;
  /** The one that cannot be used; absent for the server's own. */
  readonly key?: Arn;
  readonly registry?: Registry;
  readonly repository?: RepositoryName;
  readonly tag?: Tag;
  /** Who cannot be pulled because of it. At most `hurtShown` entries. */
  readonly hurts?: readonly Hurt[];
}

/** A repository that has the blob, with an image that needs it, if there is one. */
export interface Hurt {
  readonly registry: Registry;
  readonly repository: RepositoryName;
  readonly image?: Digest;
  readonly tags?: readonly Tag[];
}

export const hurtShown = 50;

/** What was looked at and found. Sizes in bytes. */
export interface CheckCounts {
  readonly images: number;
  readonly tags: number;
  readonly blobs: number;
  readonly blobBytes: number;
  readonly rehashed: number;
  readonly rehashedBytes: number;
  /** Copies that nothing names yet, or any more: a push may be on its way, or its end left them. They go after a day. */
  readonly youngCopies: number;
  /** Copies that the next collection removes. */
  readonly awaitingRemoval: number;
  readonly freedBytes: number;
  readonly problems: number;
  /** Those that were not repaired. */
  readonly remaining: number;
}

export type Counts = { -readonly [Key in keyof CheckCounts]: CheckCounts[Key] };

/** What the parts of a check share. */
export interface Run extends CheckOptions {
  readonly stores: Stores;
  readonly counts: Counts;
}

/** As a crash leaves them. The server drops them as well, in its own time. */
async function findAbandonedUploads({ stores: { metadata, blobs, clock }, repair, found }: Run): Promise<void> {
  for await (const staging of blobs.stale(new Date(clock().getTime() - strayAfterMs))) {
    if (await metadata.read.uploads.owns(staging)) continue;
    if (repair) await blobs.abort(staging);
    const what = `the bytes of the upload ${staging} belong to no upload`;
    found({ kind: "AbandonedUpload", what, outcome: repair ? "repaired" : "remains" });
  }
}
