import { Refusal } from "../errors.ts";
import { type Digest, digestAlgorithm, type Tag } from "../names.ts";
import type { Problem, ProblemKind, Run } from "./check.ts";
import { type Manifest, manifestDigest, parseManifest } from "./manifests.ts";
import type { InspectedImage, InspectedReference } from "./ports.ts";

const pageSize = 200;
const namedDifferences = 5;

interface Finding {
  readonly kind: ProblemKind;
  readonly what: string;
}

/** Every manifest against its digest, and against what the tables say of it. */
export async function compareImages(run: Run, total: number): Promise<void> {
  const { inspection } = run.stores.metadata.read;
  for (let after: number | undefined; ; ) {
    const page: InspectedImage[] = await inspection.images({ after, limit: pageSize });
    const last = page.at(-1);
    if (!last) return;
    for (const image of page) {
      if ((await findingsOf(run, image)).length > 0) await confirm(run, image);
      run.counts.images++;
    }
    after = last.id;
    run.progress?.({ phase: "images", done: run.counts.images, total });
  }
}

export async function compareTags(run: Run, total: number): Promise<void> {
  const { inspection } = run.stores.metadata.read;
  for (let after: { repositoryId: number; tag: Tag } | undefined; ; ) {
    const page = await inspection.tags({ after, limit: pageSize });
    const last = page.at(-1);
    if (!last) return;
    for (const { repository, tag, hasImage } of page) {
      run.counts.tags++;
      if (hasImage || (await run.stores.metadata.read.tags.find(repository.id, tag))) continue;
      const { registry, name } = repository;
      const what = `the tag ${tag} of ${name} points to no image of its repository`;
      run.found({ kind: "TagWithoutImage", what, outcome: "remains", registry, repository: name, tag });
    }
    after = { repositoryId: last.repository.id, tag: last.tag };
    run.progress?.({ phase: "tags", done: run.counts.tags, total });
  }
}

/** The page may be older than its image's end, or than a tag of it: only what is still so is told. */
async function confirm(run: Run, { id, digest, repository: { registry, name } }: InspectedImage): Promise<void> {
  const { metadata } = run.stores;
  const [image] = await metadata.read.inspection.images({ after: id - 1, limit: 1 });
  if (image?.id !== id) return;
  const findings = await findingsOf(run, image);
  if (findings.length === 0) return;
  const tags = (await metadata.read.tags.ofImages([id])).get(id) ?? [];
  const hurts = [{ registry, repository: name, image: digest, tags }];
  for (const { kind, what } of findings) {
    const verb = repairs[kind];
    const isRepaired = run.repair && verb !== undefined;
    if (isRepaired) await metadata.transact(({ inspection }) => inspection[verb](id));
    const outcome: Problem["outcome"] = isRepaired ? "repaired" : "remains";
    run.found({
      kind,
      what: `${what} (image ${digest} of ${name})`,
      outcome,
      digest,
      registry,
      repository: name,
      hurts,
    });
  }
}

const repairs: Partial<Record<ProblemKind, "recount" | "restate">> = {
  TagCountWrong: "recount",
  StatusDiffers: "restate",
};

async function findingsOf({ stores: { metadata } }: Run, image: InspectedImage): Promise<Finding[]> {
  const findings: Finding[] = [];
  const find = (kind: ProblemKind, what: string) => findings.push({ kind, what });
  if (image.tags !== image.countedTags) {
    find("TagCountWrong", `the image has ${image.tags} tags and counts ${image.countedTags}`);
  }
  if (image.strayStatuses > 0) {
    find("StatusDiffers", `${image.strayStatuses} of its tags and layers have another status than the image`);
  }
  const missing = [...image.layers, ...image.children].filter(({ isThere }) => !isThere);
  if (missing.length > 0) find("ReferenceMissing", `the repository lacks ${named(missing)}`);

  const bytes = await metadata.read.inspection.manifest(image.id);
  if (!bytes) find("ManifestMissing", "the manifest's bytes are missing");
  else if (manifestDigest(bytes, digestAlgorithm(image.digest)) !== image.digest) {
    find("ManifestCorrupt", "the manifest's bytes are not those that its digest says");
  } else {
    const manifest = parsed(bytes, image.mediaType);
    if (typeof manifest === "string") find("ManifestInvalid", manifest);
    else {
      const difference = differenceOf(image, manifest);
      if (difference !== undefined) find("ReferencesDiffer", difference);
    }
  }
  return findings;
}

/** The manifest, or why it is none. */
function parsed(bytes: Uint8Array, mediaType: string): Manifest | string {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

/** `undefined` where the tables say what the bytes say. A foreign layer is in the tables only if it was pushed too. */
function differenceOf(image: InspectedImage, manifest: Manifest): string | undefined {
  const required = manifest.layers.filter(({ isForeign }) => !isForeign);
  const { layers, children, awaited } = image;
  const listed = asReferences(manifest.children);
  const lost = [...without(required, [...layers, ...awaited]), ...without(listed, [...children, ...awaited])];
  const added = [
    ...without(layers, manifest.layers),
    ...without(children, listed),
    ...without(awaited, [...manifest.layers, ...listed]),
  ];
  if (lost.length > 0) return `the tables lack references of the manifest: ${named(lost)}`;
  if (added.length > 0) return `the tables have references that are not in the manifest: ${named(added)}`;
  if (image.subject === manifest.subject) return undefined;
  return `the tables say that the manifest's subject is ${image.subject ?? "none"}, and it is ${manifest.subject ?? "none"}`;
}

const asReferences = (digests: readonly Digest[]) => digests.map((digest) => ({ digest }));

function without<Item extends { digest: Digest }>(
  wanted: readonly Item[],
  found: readonly { digest: Digest }[],
): Item[] {
  const have = new Set(found.map(({ digest }) => digest));
  return wanted.filter(({ digest }) => !have.has(digest));
}

function named(references: readonly Pick<InspectedReference, "digest">[]): string {
  const shown = references.slice(0, namedDifferences).map(({ digest }) => digest);
  const rest = references.length - shown.length;
  return `${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
