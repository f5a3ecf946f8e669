import { Database } from "bun:sqlite";
import { basename, join } from "node:path";
import { type Digest, digestAlgorithm, type RepositoryName, type Tag } from "../../src/domain/names.ts";
import { check, type ProblemKind } from "../../src/domain/registry/check.ts";
import type { BlobId } from "../../src/domain/registry/ports.ts";
import type { Disk } from "../../src/storage/blobs/disk.ts";
import type { Engine } from "../../src/storage/metadata/metadata.ts";
import { metadata as metadataOver } from "../../src/storage/metadata/metadata.ts";
import { deletedAccount } from "../../src/storage/metadata/repositories.ts";
import type { Berth } from "./berth.ts";
import { blobAt, digestFor, type Image, imageAt, images, blobs as stock } from "./content.ts";
import type { Figures } from "./figures.ts";
import type { Ledger } from "./ledger.ts";
import type { RepositoryState, State } from "./model.ts";
import { bytesOf, Loss } from "./perform.ts";
import type { Uploads } from "./uploads.ts";

/** Looks at what is there: the metadata row by row, and every byte that anybody may ask for. */

const blobIndex = new Map(stock.map(({ digest }, index) => [digest, index]));
const imageIndex = new Map(images.map(({ digest }, index) => [digest, index]));

function known(index: ReadonlyMap<Digest, number>, digest: Digest): number {
  const found = index.get(digest);
  if (found === undefined) throw new Loss(`${digest} is in the metadata, and nobody has pushed it`);
  return found;
}

/** The state of the model that the rows amount to. @throws Loss when they contradict each other */
export async function stateIn({ reader }: Engine): Promise<State> {
  const repositories = await reader
    .selectFrom("repository")
    .select(["id", "name", "tag_mutability"])
    .where("account", "!=", deletedAccount)
    .execute();
  const links = await reader.selectFrom("layer_link").select(["repository_id", "digest"]).execute();
  const imageRows = await reader.selectFrom("image").select(["id", "repository_id", "digest", "tag_count"]).execute();
  const tagRows = await reader.selectFrom("tag").select(["repository_id", "tag", "image_id"]).execute();
  const moves = await reader.selectFrom("tag_move").selectAll().orderBy("id").execute();
  const imageOf = new Map(imageRows.map(({ id, digest }) => [id, known(imageIndex, digest)]));
  for (const { id, tag_count } of imageRows) {
    const counted = tagRows.filter(({ image_id }) => image_id === id).length;
    if (counted !== tag_count) throw new Loss(`an image has ${counted} tags, and ${tag_count} by its own count`);
  }

  const stateOf = (id: number, immutable: boolean): RepositoryState => {
    const here = <Row extends { repository_id: number }>(rows: readonly Row[]) =>
      rows.filter(({ repository_id }) => repository_id === id);
    const history: Record<string, string[]> = {};
    for (const { tag, from_digest, to_digest } of here(moves)) {
      const text = (digest: Digest | null) => (digest === null ? "" : String(known(imageIndex, digest)));
      history[tag] ??= [];
      history[tag].push(`${text(from_digest)}>${text(to_digest)}`);
    }
    const tags = Object.fromEntries(here(tagRows).map(({ tag, image_id }) => [tag, imageOf.get(image_id) ?? -1]));
    checkHistory(tags, history);
    return {
      immutable,
      links: here(links).map(({ digest }) => known(blobIndex, digest)),
      images: here(imageRows).map(({ digest }) => known(imageIndex, digest)),
      tags,
      history,
    };
  };
  return Object.fromEntries(repositories.map((row) => [row.name, stateOf(row.id, row.tag_mutability === "IMMUTABLE")]));
}

/** Each move begins where the one before ended, and the last one ended where the tag is. */
function checkHistory(tags: Record<string, number>, history: Record<string, string[]>): void {
  for (const tag of new Set([...Object.keys(tags), ...Object.keys(history)])) {
    let at = "";
    for (const move of history[tag] ?? []) {
      const [from, to] = move.split(">");
      if (from !== at) throw new Loss(`the history of ${tag} is broken: ${history[tag]?.join(", ")}`);
      at = to ?? "";
    }
    if (at !== String(tags[tag] ?? "")) throw new Loss(`the history of ${tag} ends at '${at}', not at '${tags[tag]}'`);
  }
}

/** SQLite's own opinion of its file. */
export function checkDatabase(path: string): void {
  const database = new Database(path);
  try {
    const problems = [
      ...(database.prepare("pragma integrity_check").all() as { integrity_check: string }[]),
      ...(database.prepare("pragma foreign_key_check").all() as object[]),
    ].filter((row) => !("integrity_check" in row) || row.integrity_check !== "ok");
    if (problems.length > 0) throw new Loss(`the database is damaged: ${JSON.stringify(problems)}`);
  } finally {
    database.close();
  }
}

/** Where Berth keeps everything, and how to look at it beside Berth. */
export interface Place {
  readonly database: string;
  readonly root: string;
  readonly disk: Disk;
  readFile(path: string): Promise<Buffer>;
  /** After everything that was written so far. */
  readonly soon: Date;
}

interface Surroundings extends Place {
  readonly berth: Berth;
  readonly state: State;
}

/** Everything that must hold after every start. @throws Loss */
export async function checkAfterStart(berth: Berth, ledger: Ledger, place: Place, figures: Figures): Promise<void> {
  checkDatabase(place.database);
  await checkContent({ ...place, berth, state: ledger.state }, figures);
  await checkSessions(berth, ledger.uploads);
  await checkByItself(berth);
}

/** Berth's own check must find nothing but what its sweeps remove. */
async function checkByItself({ engine, blobs, clock }: Berth): Promise<void> {
  const swept: ProblemKind[] = ["Stray", "AbandonedUpload"];
  await check(
    { metadata: metadataOver(engine), blobs, clock },
    {
      rehash: true,
      repair: false,
      bytesPerSecond: 0,
      found({ kind, what }) {
        if (!swept.includes(kind)) throw new Loss(`berth check: ${what}`);
      },
    },
  );
}

/** Everything acknowledged, through the doors that clients use. */
async function checkContent(around: Surroundings, figures: Figures): Promise<void> {
  for (const [name, repository] of Object.entries(around.state)) {
    await checkBlobs(around, name as RepositoryName, repository);
    await checkImages(around, name as RepositoryName, repository);
    figures.checkedBlobs += repository.links.length;
  }
  await checkRows(around.berth.engine);
  figures.strays += await checkFiles(around);
}

async function checkBlobs(around: Surroundings, name: RepositoryName, { links }: RepositoryState): Promise<void> {
  const { granted, layers } = around.berth;
  for (const link of links) {
    const { digest, bytes } = blobAt(link);
    const { layer, content } = await layers.read(granted, name, digest).catch((error: Error) => {
      throw new Loss(`blob ${link} of ${name} cannot be read: ${error.message}`);
    });
    const isSame = layer.sizeBytes === bytes.length && (await bytesOf(around, content)).equals(bytes);
    if (!isSame) throw new Loss(`blob ${link} of ${name} has other bytes than were acknowledged`);
  }
}

async function checkImages(around: Surroundings, name: RepositoryName, repository: RepositoryState): Promise<void> {
  const { granted, images: service } = around.berth;
  const same = async (index: number, reference: { digest: Digest } | { tag: Tag }) => {
    const expected = imageAt(index);
    const { manifest, mediaType } = await service.peek(granted, name, reference);
    const isSame = expected.manifest.equals(manifest) && mediaType === expected.mediaType;
    if (!isSame) throw new Loss(`image ${index} of ${name} is not what was acknowledged`);
  };
  for (const image of repository.images) {
    await same(image, { digest: imageAt(image).digest });
    const { layers, children } = imageAt(image);
    const isWhole =
      layers.every((layer) => repository.links.includes(layer)) &&
      children.every((child) => repository.images.includes(child));
    if (!isWhole) throw new Loss(`image ${image} of ${name} lacks something that it refers to`);
  }
  for (const [tag, image] of Object.entries(repository.tags)) await same(image, { tag: tag as Tag });
  await checkReferrers(around, name, repository);
}

async function checkReferrers(around: Surroundings, name: RepositoryName, repository: RepositoryState): Promise<void> {
  const { granted, images: service } = around.berth;
  const present: (Image & { subject: Digest })[] = repository.images
    .map(imageAt)
    .flatMap((image) => (image.subject === undefined ? [] : { ...image, subject: image.subject }));
  for (const [subject, referrers] of Map.groupBy(present, (image) => image.subject)) {
    const found = await service.referrers(granted, name, subject, { limit: 100 });
    const [expected, actual] = [referrers, found].map((list) =>
      list
        .map(({ digest }) => digest)
        .sort()
        .join(),
    );
    if (expected !== actual) throw new Loss(`the referrers of ${subject} in ${name} are not what was acknowledged`);
  }
}

/** Rows that no promise names by itself, but on which later promises rest. */
async function checkRows({ reader }: Engine): Promise<void> {
  const [layerRows, childRows, imageRows] = await Promise.all([
    reader.selectFrom("image_layer").select(["image_id", "digest"]).execute(),
    reader.selectFrom("image_child").select(["image_id", "child as digest"]).execute(),
    reader.selectFrom("image").select(["id", "digest"]).execute(),
  ]);
  for (const { id, digest } of imageRows) {
    const { layers, children } = imageAt(known(imageIndex, digest));
    const expected = [
      ...layers.map((layer) => blobAt(layer).digest),
      ...children.map((child) => imageAt(child).digest),
    ];
    const actual = [...layerRows, ...childRows].filter(({ image_id }) => image_id === id).map((row) => row.digest);
    if (expected.sort().join() !== actual.sort().join())
      throw new Loss(`the references of ${digest} are not its manifest's`);
  }
}

/**
 * Every file is a copy that is what its name says, or staged and found; every copy that a row names is there, and nothing
 * is about to remove it. Answers how many copies no row names at all.
 */
async function checkFiles(around: Surroundings): Promise<number> {
  const { blobs, engine } = around.berth;
  const listed = new Set<string>();
  for await (const blob of blobs.list()) {
    const content = await blobs.read(blob);
    const bytes = content && (await bytesOf(around, content));
    const isWhole = bytes?.length === blob.sizeBytes && digestFor(bytes, digestAlgorithm(blob.digest)) === blob.digest;
    if (!isWhole) throw new Loss(`the file of ${copyName(blob)} is not what its name says`);
    listed.add(copyName(blob));
  }
  const stale = new Set<string>(await Array.fromAsync(blobs.stale(around.soon)));
  for (const path of await filesIn(around.disk, around.root)) {
    const isFound = path.includes("/staging/") ? stale.has(basename(path)) : listed.has(nameInStore(path));
    if (!isFound) throw new Loss(`nothing will ever find the file ${path}`);
  }
  const named = await copiesIn(engine, "blob");
  const doomed = await copiesIn(engine, "blob_removal");
  for (const copy of named) {
    if (!listed.has(copy)) throw new Loss(`the metadata names ${copy}, and the store does not have it`);
    if (doomed.has(copy)) throw new Loss(`the metadata names ${copy}, and its removal is noted`);
  }
  return listed.difference(named).difference(doomed).size;
}

export async function copiesIn({ reader }: Engine, table: "blob" | "blob_removal"): Promise<Set<string>> {
  const rows = await reader.selectFrom(table).select(["digest", "generation"]).execute();
  return new Set(rows.map(copyName));
}

function copyName({ digest, generation }: BlobId): string {
  return `${digest}.${generation}`;
}

/** `<algorithm>/<prefix>/<hex>.<generation>`, as the store lays it out. */
export function nameInStore(path: string): string {
  return `${path.split("/").at(-3)}:${basename(path)}`;
}

export async function filesIn(disk: Disk, folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await disk.readdir(folder)) {
    const path = join(folder, name);
    const inside = await disk.readdir(path).then(
      () => filesIn(disk, path),
      () => [path],
    );
    found.push(...inside);
  }
  return found;
}

/** Who was acknowledged is there, and who is over is not. */
async function checkSessions(berth: Berth, uploads: Uploads): Promise<void> {
  const sessions = await sessionsIn(berth.engine);
  for (const [slot, { id, end }] of Object.entries(uploads)) {
    if (!id) continue;
    if (end === "none" && !sessions.has(id)) throw new Loss(`the upload in slot ${slot} is gone`);
    const isOver = end === "completed" || end === "cancelled";
    if (isOver && sessions.has(id)) throw new Loss(`the upload in slot ${slot} was over and is there again`);
  }
}

export async function sessionsIn({ reader }: Engine): Promise<Set<string>> {
  const rows = await reader.selectFrom("upload").select("id").execute();
  return new Set(rows.map(({ id }) => id));
}
