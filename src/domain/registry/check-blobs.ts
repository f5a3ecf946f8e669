import type { Digest } from "../names.ts";
import { recordsIn, removalsIn } from "./blob-records.ts";
import { type Hurt, hurtShown, type Problem, type ProblemKind, type Run } from "./check.ts";
import { certainStrays, strayAfterMs } from "./collection.ts";
import { copyBlob } from "./copy.ts";
import { createCursor } from "./cursor.ts";
import { isSealed } from "./encryption.ts";
import { createLockedKeys } from "./locked-keys.ts";
import { createPace, paced } from "./pace.ts";
import type { BlobName, BlobRecord, Bytes, KeyScope, ListedBlob, Metadata, StoredBlob } from "./ports.ts";
import { verify } from "./verify.ts";

/** When so many blobs in a row from the first on are missing, the store is more likely a wrong one than damaged. */
const foreignAfter = 16;

/** The blob store has nothing of what the metadata names. Nothing was changed. */
export class StoreIsForeign extends Error {
  override readonly name = "StoreIsForeign";
  constructor() {
    super(
      "the blob store has none of the first blobs that the database names. Is it the right one, and mounted? If the bytes are really gone, check with --repair: clients then push them again",
    );
  }
}

/** Everything that is known under one digest. */
interface Group {
  readonly digest: Digest;
  /** One for each key that it is sealed under. */
  readonly records: readonly BlobRecord[];
  readonly copies: readonly ListedBlob[];
  /** Copies that the next collection removes. */
  readonly removals: readonly StoredBlob[];
}

interface State {
  readonly kind: "Sound" | "BlobMissing" | "BlobSizeWrong" | "BlobCorrupt" | "BlobUnreadable" | "KeyUnusable";
  readonly what: string;
}

/** Every record against its copy, and every copy against the records. @throws StoreIsForeign */
export async function compareBlobs(run: Run, totals: { blobs: number; blobBytes: number }): Promise<void> {
  const { metadata, blobs, clock } = run.stores;
  const { counts, rehash, repair, found } = run;
  const pace = createPace(run.bytesPerSecond);
  const locked = createLockedKeys((record) => hurtBy(metadata, record));
  /** Of which one blob was opened already, so that a key that cannot be used is found without reading all of them. */
  const tried = new Set<KeyScope>();

  const missing: Group[] = [];
  let isOurs = repair;
  for await (const group of sideBySide()) {
    const isMissing = group.records.some((record) => !record.quarantinedAt) && !isThere(group);
    if (isMissing && !isOurs) {
      missing.push(group);
      if (missing.length > foreignAfter) throw new StoreIsForeign();
      continue;
    }
    isOurs ||= isThere(group);
    if (isOurs) for (const held of missing.splice(0)) await judge(held);
    await judge(group);
  }
  for (const held of missing) await judge(held);
  for (const problem of locked.problems()) found(problem);
  if (repair) await removeAwaiting();

  /** Three listings, each sorted by digest. */
  async function* sideBySide(): AsyncIterable<Group> {
    const records = createCursor(recordsIn(metadata));
    const copies = createCursor(blobs.list());
    const removals = createCursor(removalsIn(metadata));
    for (;;) {
      const heads = [await records.peek(), await copies.peek(), await removals.peek()];
      const digests = heads.flatMap((head) => (head ? [head.digest] : []));
      if (digests.length === 0) return;
      const digest = digests.reduce((least, next) => (next < least ? next : least));
      yield {
        digest,
        records: await records.take(digest),
        copies: await copies.take(digest),
        removals: await removals.take(digest),
      };
    }
  }

  async function judge(group: Group): Promise<void> {
    for (const record of group.records) await judgeRecord(record, group);
    for (const copy of group.copies) {
      const isNamed = group.records.some(({ generation }) => generation === copy.generation);
      if (!isNamed) await judgeCopy(copy, group.removals);
    }
    const { rehashedBytes } = counts;
    if (rehash) run.progress?.({ phase: "bytes", done: rehashedBytes, total: totals.blobBytes });
    else run.progress?.({ phase: "blobs", done: counts.blobs, total: totals.blobs });
  }

  async function judgeRecord(record: BlobRecord, group: Group): Promise<void> {
    counts.blobs++;
    counts.blobBytes += record.sizeBytes;
    const isHashed = rehash || (repair && record.quarantinedAt !== undefined) || (await failsToOpen(record));
    const isSized = copyOf(record, group)?.sizeBytes === record.sizeBytes;
    if (isSized && !isHashed && !record.quarantinedAt) return locked.addIfKnown(record);
    const seen = await verdict(record, isHashed);
    if (!seen) return;
    const { kind, what } = seen.state;
    if (kind === "KeyUnusable") {
      await locked.add(seen.record, what);
      if (seen.record.quarantinedAt) await tellQuarantined(seen.record, false);
    } else if (kind !== "Sound") await tellDamaged(seen.record, seen.state, group);
    else if (seen.record.quarantinedAt) await tellQuarantined(seen.record, isHashed);
  }

  /** Of the first blob of each key. Why it does is for whoever looks closer. */
  async function failsToOpen(record: BlobRecord): Promise<boolean> {
    if (!isSealed(record.generation) || tried.has(record.scope)) return false;
    try {
      if (await blobs.read(record)) tried.add(record.scope);
      return false;
    } catch {
      tried.add(record.scope);
      return true;
    }
  }

  /**
   * What is wrong with the copy that counts. A collection drops the row before the bytes, and a push makes the bytes
   * before the row; so what is missing by the store and then still named by the metadata is missing.
   */
  async function verdict(
    known: BlobRecord,
    isHashed: boolean,
  ): Promise<{ record: BlobRecord; state: State } | undefined> {
    for (let record = known; ; ) {
      const state = await look(record, isHashed);
      const now = await metadata.read.blobs.find(record);
      if (!now) return undefined;
      if (now.generation === record.generation) return { record: now, state };
      record = now;
    }
  }

  async function look(record: BlobRecord, isHashed: boolean): Promise<State> {
    const { digest, sizeBytes } = record;
    const copy = await blobs.stat(record);
    if (!copy) return { kind: "BlobMissing", what: `the copy of ${digest} is missing` };
    if (copy.sizeBytes !== sizeBytes) {
      const what = `the copy of ${digest} has ${copy.sizeBytes} bytes instead of ${sizeBytes}`;
      return { kind: "BlobSizeWrong", what };
    }
    if (!isHashed) return { kind: "Sound", what: "" };
    counts.rehashed++;
    // Twice, since memory and cables err as well.
    const first = await verify(blobs, record, counted);
    const seen = first.kind === "corrupt" ? await verify(blobs, record, counted) : first;
    if (seen.kind === "sound") return { kind: "Sound", what: "" };
    if (seen.kind === "locked") return { kind: "KeyUnusable", what: seen.why };
    const kind = seen.kind === "corrupt" ? "BlobCorrupt" : "BlobUnreadable";
    return { kind, what: `the copy of ${digest} is damaged: ${seen.why}` };
  }

  async function* counted(bytes: Bytes): Bytes {
    for await (const chunk of paced(bytes, pace)) {
      counts.rehashedBytes += chunk.length;
      if (rehash) run.progress?.({ phase: "bytes", done: counts.rehashedBytes, total: totals.blobBytes });
      yield chunk;
    }
  }

  async function tellDamaged(record: BlobRecord, { kind, what }: State, group: Group): Promise<void> {
    const hurts = await hurtBy(metadata, record);
    const tell = (outcome: Problem["outcome"], more = "") =>
      found({ kind: kind as ProblemKind, what: `${what}${more}`, outcome, digest: record.digest, hurts });
    // Who may not read the file, for one, is no reason to keep it from everybody.
    if (kind === "BlobUnreadable" && !repair) return tell("remains");
    await metadata.transact((nouns) => nouns.blobs.quarantine(record, clock()));
    const isHealed = repair && (await heal(record, group.copies));
    if (isHealed) tell("repaired", "; another copy took its place");
    else tell("quarantined");
  }

  async function tellQuarantined(record: BlobRecord, isHashed: boolean): Promise<void> {
    const { digest, quarantinedAt } = record;
    const isOpened = repair && isHashed && (await metadata.transact((nouns) => nouns.blobs.acquit(record)));
    const state = isHashed ? "is sound" : "may be sound";
    found({
      kind: "BlobInQuarantine",
      what: `the copy of ${digest}, in quarantine since ${quarantinedAt?.toISOString()}, ${state}${isOpened ? "" : "; --repair opens it again if it is"}`,
      outcome: isOpened ? "repaired" : "quarantined",
      digest,
      hurts: isOpened ? undefined : await hurtBy(metadata, record),
    });
  }

  /**
   * A new copy from any sound one of the same content. Not the other one itself: a collection may be about to remove
   * that, as nothing names it.
   */
  async function heal(record: BlobRecord, copies: readonly ListedBlob[]): Promise<boolean> {
    for (const copy of copies) {
      if (copy.generation === record.generation) continue;
      const made = await copyBlob(copy, record.scope, blobs, blobs, pace).catch(() => undefined);
      if (!made) continue;
      const isHealed = await metadata.transact((nouns) => nouns.blobs.heal({ ...made, scope: record.scope }));
      if (isHealed) return true;
      await blobs.remove(made);
    }
    // Somebody may have pushed it meanwhile.
    return (await metadata.read.blobs.find(record))?.quarantinedAt === undefined;
  }

  /** One that no record named when the records were read. Beside a damaged one it is no stray, but what may mend it. */
  async function judgeCopy(copy: ListedBlob, removals: readonly StoredBlob[]): Promise<void> {
    if (removals.some(({ generation }) => generation === copy.generation)) {
      counts.awaitingRemoval++;
      return;
    }
    if (clock().getTime() - copy.committedAt.getTime() < strayAfterMs) {
      counts.youngCopies++;
      return;
    }
    const isStray = (await certainStrays(metadata, [copy])).length > 0;
    if (!isStray || !(await blobs.stat(copy))) return;
    if (repair) counts.freedBytes += await blobs.remove(copy);
    found({
      kind: "Stray",
      what: `a copy of ${copy.digest} (${copy.sizeBytes} bytes, generation ${copy.generation || "none"}) is named by nothing`,
      outcome: repair ? "repaired" : "remains",
      digest: copy.digest,
    });
  }

  /** What a collection would do next, and what the repairs have noted. */
  async function removeAwaiting(): Promise<void> {
    for await (const removal of removalsIn(metadata, clock())) {
      // A note that is wrong must not cost a copy that counts. A crash after it is gone leaves a stray.
      const isNeedless = await metadata.transact(async ({ garbage, blobs }) => {
        await garbage.removed([removal]);
        return (await blobs.strays([removal])).length > 0;
      });
      if (isNeedless) counts.freedBytes += await blobs.remove(removal);
    }
  }
}

function copyOf(record: BlobRecord, { copies }: Group): ListedBlob | undefined {
  return copies.find(({ generation }) => generation === record.generation);
}

function isThere(group: Group): boolean {
  return group.records.some((record) => copyOf(record, group) !== undefined);
}

/** Whose pulls fail. */
async function hurtBy(metadata: Metadata, name: BlobName): Promise<Hurt[]> {
  const dependents = await metadata.read.inspection.dependents(name, hurtShown);
  const tags = await metadata.read.tags.ofImages(dependents.flatMap(({ image }) => (image ? [image.id] : [])));
  return dependents.map(({ repository: { registry, name }, image }) => ({
    registry,
    repository: name,
    ...(image ? { image: image.digest, tags: tags.get(image.id) ?? [] } : {}),
  }));
}
