import { othersTurn } from "../turns.ts";
import type { BlobId, Metadata, Nouns } from "./ports.ts";
import { addToAll, countBlob, createTally, everything, figuresOfImage } from "./usage-count.ts";
import type { LinkKey, UnlinkedKey, WalkedLink } from "./usage-ports.ts";

/**
 * One walk measures all registries, because a blob is counted with all who have it. It reads pages by index, sums up, and
 * from time to time adds its sums to the run's entries, in one transaction with how far it has come: who goes on after a
 * crash counts nothing twice and leaves nothing out. What changes meanwhile may be counted as before or as after.
 */
export interface MeasureParts<All extends Nouns> {
  readonly metadata: Pick<Metadata<All>, "read" | "transact">;
  readonly clock: () => Date;
  /** How long results stay. 0: forever. */
  readonly retentionMs: number;
}

export interface MeasureOptions<All extends Nouns> {
  /** What was kept last, if this goes on with what another attempt began. */
  readonly progress?: MeasureProgress;
  /** Keeps the progress in that transaction. Throws when somebody else has the job by now. */
  keep(progress: MeasureProgress, nouns: All): Promise<void>;
  readonly signal?: AbortSignal;
  /** How many rows are read at once. Left out: 500. */
  readonly pageSize?: number;
  /** Sums are added to the entries after so many pages: the sooner, the less a crash loses. Left out: 200. */
  readonly pagesBetween?: number;
  /** How many areas' sums are added in one transaction. Left out: 1,000. */
  readonly areasAtOnce?: number;
}

const phases = ["repositories", "layers", "images", "unlinked", "removals", "outdated"] as const;
type Phase = (typeof phases)[number];

export interface MeasureProgress {
  readonly run: number;
  readonly day: string;
  readonly phase: Phase;
  /** Up to where the phase has come. */
  readonly after?: unknown;
  /** Whether only some of the sums up to a later place are in the entries. Nobody can go on from there. */
  readonly isTorn?: boolean;
}

/** Sums of more areas are added to the entries at once, so that they take little memory. */
const maxAreas = 5_000;
const droppedAtOnce = 1_000;
const outdatedAtOnce = 50;
const dayMs = 24 * 60 * 60_000;

export const dayOf = (at: Date) => at.toISOString().slice(0, 10);

/** Safe to repeat, and to go on with. Answers the run. */
export async function measureUsage<All extends Nouns>(
  { metadata, clock, retentionMs }: MeasureParts<All>,
  { progress, keep, signal, pageSize: limit = 500, pagesBetween = 200, areasAtOnce = 1_000 }: MeasureOptions<All>,
): Promise<number> {
  const { read, transact } = metadata;
  const { usage, garbage } = read;
  const tally = createTally();
  let at = progress && !progress.isTorn ? progress : await begin();
  let pages = 0;

  if (at.phase === "repositories") {
    await walk(
      usage.repositories,
      ({ id }) => id,
      ({ area }) => addToAll(tally, area, { repositories: 1 }),
    );
  }
  if (at.phase === "layers") await walkLinks();
  if (at.phase === "images") {
    await walk(
      usage.images,
      ({ id }) => id,
      (image) => {
        if (image.area) addToAll(tally, image.area, figuresOfImage(image));
      },
    );
  }
  if (at.phase === "unlinked") {
    const keyOf = ({ since, digest, scope }: UnlinkedKey) => ({ since, digest, scope });
    await walk(usage.unlinked, keyOf, ({ sizeBytes, isLinked }) => {
      if (!isLinked) tally.add(everything, { waitingBytes: sizeBytes });
    });
  }
  if (at.phase === "removals") {
    const keyOf = ({ digest, generation }: BlobId) => ({ digest, generation });
    await walk(garbage.removals, keyOf, ({ sizeBytes }) => tally.add(everything, { waitingBytes: sizeBytes }));
  }
  await dropOutdated();
  return at.run;

  function begin(): Promise<MeasureProgress> {
    return transact(async (nouns) => {
      const day = dayOf(clock());
      const run = await nouns.usage.begin(day, clock());
      const first: MeasureProgress = { run, day, phase: "repositories" };
      await keep(first, nouns);
      return first;
    });
  }

  /** From where the phase has come to, to its end. */
  async function walk<Item, Key>(
    read: (page: { after?: Key; limit: number }) => Promise<Item[]>,
    keyOf: (item: Item) => Key,
    count: (item: Item) => void,
  ): Promise<void> {
    for (let after = at.after as Key | undefined; ; ) {
      const page = await read({ after, limit });
      for (const item of page) count(item);
      const last = page.at(-1);
      if (last === undefined || page.length < limit) return settle(nextPhase());
      after = keyOf(last);
      await turn({ ...at, after });
    }
  }

  /** As `walk`, blob by blob: a blob can be counted when the last of its links is known. */
  async function walkLinks(): Promise<void> {
    let blob: WalkedLink[] = [];
    let counted = at.after as LinkKey | undefined;
    const countOne = () => {
      const last = blob.at(-1);
      if (!last) return;
      countBlob(tally, last.sizeBytes, blob);
      counted = keyOfLink(last);
      blob = [];
    };
    for (let after = counted; ; ) {
      const page = await usage.links({ after, limit });
      for (const link of page) {
        const last = blob.at(-1);
        if (last && (last.digest !== link.digest || last.scope !== link.scope)) countOne();
        blob.push(link);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < limit) break;
      after = keyOfLink(last);
      await turn({ ...at, after: counted });
    }
    countOne();
    await settle(nextPhase());
  }

  /** Between two pages. */
  async function turn(next: MeasureProgress): Promise<void> {
    signal?.throwIfAborted();
    pages++;
    if (pages >= pagesBetween || tally.size >= maxAreas) await settle(next);
    else await othersTurn();
  }

  function nextPhase(): MeasureProgress {
    const { run, day, phase } = at;
    return { run, day, phase: phases[phases.indexOf(phase) + 1] ?? "outdated" };
  }

  /**
   * What was summed up and how far that is, together. Very many sums take turns with what others write: who is cut short
   * between two of them begins anew.
   */
  async function settle(next: MeasureProgress): Promise<void> {
    signal?.throwIfAborted();
    const entries = tally.take();
    for (; entries.length > areasAtOnce; await othersTurn()) {
      signal?.throwIfAborted();
      const some = entries.splice(0, areasAtOnce);
      await transact(async (nouns) => {
        await nouns.usage.add(at.run, some);
        await keep({ ...at, isTorn: true }, nouns);
      });
    }
    await transact(async (nouns) => {
      await nouns.usage.add(next.run, entries);
      if (next.phase === "outdated") await nouns.usage.finish(next.run, clock());
      await keep(next, nouns);
    });
    at = next;
    pages = 0;
  }

  async function dropOutdated(): Promise<void> {
    const before = retentionMs === 0 ? undefined : dayOf(new Date(clock().getTime() - retentionMs + dayMs));
    for (;;) {
      const runs = await usage.outdated(at.run, before, outdatedAtOnce);
      for (const run of runs) {
        while (!(await transact((nouns) => nouns.usage.drop(run, droppedAtOnce)))) {
          signal?.throwIfAborted();
          await othersTurn();
        }
      }
      if (runs.length < outdatedAtOnce) return;
    }
  }
}

const keyOfLink = ({ digest, scope, linkedAt, repositoryId }: LinkKey): LinkKey => ({
  digest,
  scope,
  linkedAt,
  repositoryId,
});
