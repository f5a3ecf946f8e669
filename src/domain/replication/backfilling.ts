import type { Registry, RepositoryName, Tag } from "../names.ts";
import { eachOf } from "../registry/each.ts";
import type { Nouns, Repository } from "../registry/ports.ts";
import { keptMs } from "./backfills.ts";
import { PartsFailed } from "./failures.ts";
import { destinationsOf, isSame } from "./planner.ts";
import type { Backfill, BackfillItem, BackfillJob, BackfillResult, ReplicationConfiguration } from "./ports.ts";
import { giveUpAfterMs, laterThan, NotYet, type ReplicatingParts, replicateImage } from "./replicating.ts";
import { jobOf, type ReplicatingNouns, wantedTags } from "./trigger.ts";

/** How a backfill that goes on behind a crash keeps how far its preparation has come. */
export interface BackfillAttempt {
  readonly signal: AbortSignal;
  readonly progress: unknown;
  /** There is no other one behind it. */
  readonly isLast: boolean;
  /** In that transaction: it fails when somebody else has the job by now. */
  checkpoint(progress: unknown, nouns: ReplicatingNouns): Promise<void>;
}

/** Where the preparation is: behind this image of this repository, so many items behind the first. */
interface Place {
  readonly repository?: RepositoryName;
  readonly image?: { readonly imageId: number; readonly tag?: Tag };
  readonly count: number;
}

const pageSize = 500;
const repositoriesTogether = 100;
const itemsTogether = 64;
const prunedTogether = 1_000;

/**
 * Does a backfill: first a list of all that is to go, then each item, some at once. May run twice: what has a result is not
 * done again, and what is at the destination is not brought again.
 * @throws NotYet while the destination is away
 */
export async function backfill(parts: ReplicatingParts, job: BackfillJob, attempt: BackfillAttempt): Promise<void> {
  const { metadata, clock } = parts;
  const registry: Registry = { account: job.account, region: job.region };
  const current = await metadata.read.backfills.find(registry, job.id);
  if (!current || current.endedAt) return;
  if (current.status === "PREPARING" && !(await prepare(parts, current, attempt))) return;
  while (await takeSome(parts, current, attempt));
  // What was there before goes with whoever comes next: there is always one more backfill than is kept.
  const endedBefore = new Date(clock().getTime() - keptMs);
  while (!(await metadata.transact(({ backfills }) => backfills.prune(endedBefore, prunedTogether))));
}

/** Lists what is to go. Answers whether it is to go on. */
async function prepare(
  { metadata }: ReplicatingParts,
  { registry, id, destination }: Backfill,
  attempt: BackfillAttempt,
) {
  const { read } = metadata;
  const configuration = await read.replication.configuration(registry);
  if (!configuration) return endEarly();
  let place = (attempt.progress as Place | undefined) ?? { count: 0 };
  const isMeant = ({ name }: Repository) =>
    destinationsOf(configuration.rules, name, registry).some((one) => isSame(one, destination));

  for (;;) {
    attempt.signal.throwIfAborted();
    const here = place.repository;
    if (here !== undefined && place.image !== undefined) {
      const repository = await read.repositories.find(registry, here);
      const page = repository
        ? await read.images.listIds(repository.id, "ANY", { after: place.image, limit: pageSize }, "ACTIVE")
        : [];
      const items = repository ? await wantedOf(read, repository, page, configuration) : [];
      const last = page.length === pageSize ? page.at(-1) : undefined;
      const next: Place = { repository: here, image: last && placeOf(last), count: place.count + items.length };
      if (!(await keep(items, place.count, next))) return false;
      place = next;
      continue;
    }
    const page: Repository[] = await read.repositories.list(registry, { after: here, limit: repositoriesTogether });
    const meant = page.find(isMeant);
    if (!meant && page.length < repositoriesTogether) break;
    const name = (meant ?? page.at(-1))?.name;
    place = { ...place, repository: name, image: meant && { imageId: 0 } };
  }

  return metadata.transact(async (nouns) => {
    await attempt.checkpoint(undefined, nouns);
    const isOpen = (await nouns.backfills.lock(registry, id))?.status === "PREPARING";
    const progress = { total: place.count, completed: 0, failed: 0, failureCodes: [] };
    if (isOpen) await nouns.backfills.update(id, { status: "IN_PROGRESS", progress });
    return isOpen;
  });

  function keep(items: readonly Omit<BackfillItem, "number">[], first: number, next: Place): Promise<boolean> {
    return metadata.transact(async (nouns) => {
      await attempt.checkpoint(next, nouns);
      // Stopped meanwhile.
      if ((await nouns.backfills.lock(registry, id))?.status !== "PREPARING") return false;
      const numbered = items.map((item, index) => ({ ...item, number: first + index }));
      await nouns.backfills.add(id, numbered);
      return true;
    });
  }

  async function endEarly(): Promise<boolean> {
    await metadata.transact(async (nouns) => {
      await attempt.checkpoint(undefined, nouns);
      const isOpen = (await nouns.backfills.lock(registry, id))?.status === "PREPARING";
      const progress = { total: 0, completed: 0, failed: 0, failureCodes: [] };
      if (isOpen) await nouns.backfills.update(id, { status: "IN_PROGRESS", progress });
    });
    return true;
  }
}

type ListedId = Awaited<ReturnType<Nouns["images"]["listIds"]>>[number];

function placeOf({ imageId, tag }: ListedId): Place["image"] {
  return { imageId, tag };
}

async function wantedOf(
  read: Nouns,
  { id, name }: Repository,
  page: readonly ListedId[],
  { options }: ReplicationConfiguration,
): Promise<Omit<BackfillItem, "number">[]> {
  const items: Omit<BackfillItem, "number">[] = [];
  for (const { digest, tag } of page) {
    const tags = tag === undefined ? [] : [tag];
    // Whether it refers to another image is asked only where that decides.
    const isAsked = options.tags.length > 0 && tags.length === 0;
    const subject = isAsked ? (await read.images.find(id, digest))?.subject : undefined;
    const wanted = wantedTags({ tags, subject }, options);
    if (wanted) items.push({ repository: name, digest, tag: wanted[0] });
  }
  return items;
}

/** Does the next items. Answers whether there may be more. */
async function takeSome(parts: ReplicatingParts, { registry, id, destination }: Backfill, attempt: BackfillAttempt) {
  const { metadata, clock } = parts;
  const { signal } = attempt;
  const items = await metadata.read.backfills.open(id, itemsTogether);
  const current = await metadata.read.backfills.find(registry, id);
  if (!current || current.endedAt) return false;
  const isStopped = current.status === "STOPPING";
  const results: BackfillResult[] = [];
  let away: NotYet | undefined;
  if (!isStopped) {
    await eachOf(groups(items), async (group) => {
      try {
        const result = await take(group);
        results.push(...group.map((item) => ({ ...item, ...result })));
      } catch (error) {
        if (!(error instanceof NotYet)) throw error;
        away = error;
      }
    });
  }
  const isEnd = isStopped || items.length === 0;
  await metadata.transact(async (nouns) => {
    const locked = await nouns.backfills.lock(registry, id);
    await nouns.backfills.settle(id, results);
    if (!locked || locked.endedAt) return;
    const progress = added(locked.progress, results);
    const status = isStopped ? "STOPPED" : "COMPLETE";
    await nouns.backfills.update(id, { progress, ...(isEnd && { status, endedAt: clock() }) });
  });
  if (isStopped) await abandon();
  if (away) return waitOrGiveUp(away);
  return !isEnd;

  /** One image with all its tags that are to go. */
  async function take(
    group: readonly [BackfillItem, ...BackfillItem[]],
  ): Promise<Pick<BackfillResult, "status" | "failureCode">> {
    signal.throwIfAborted();
    const [{ repository: name, digest }] = group;
    const tags = group.map(({ tag }) => tag).filter((tag) => tag !== undefined);
    const job = await metadata.transact(async (nouns) => {
      const repository = await nouns.repositories.find(registry, name);
      const image = repository && (await nouns.images.find(repository.id, digest));
      if (!image) return undefined;
      await nouns.replication.begin(image.id, destination, tags, clock());
      return jobOf(repository, image, destination);
    });
    const outcome = job && (await replicateImage(parts, job, signal));
    if (outcome?.status === "FAILED") {
      const { failureCode, error } = outcome;
      return { status: "FAILED", failureCode, ...(error instanceof PartsFailed && { partFailureCodes: error.codes }) };
    }
    if (outcome) return outcome;
    // Another job was faster, or it was deleted.
    const replica = job && (await metadata.read.replication.find(job.imageId, destination));
    if (!replica) return { status: "FAILED", failureCode: "ImageNotFound" };
    return replica.status === "FAILED"
      ? { status: "FAILED", failureCode: replica.failureCode }
      : { status: "COMPLETE" };
  }

  /** Answers that there is no more, or throws. */
  async function waitOrGiveUp({ cause }: NotYet): Promise<false> {
    const now = clock().getTime();
    const hasCome = results.length > 0;
    const since = hasCome ? now : ((attempt.progress as { awaySince?: number } | undefined)?.awaySince ?? now);
    // Whoever is asked for the last time cannot come again, however long the destination has been away.
    const isOver = attempt.isLast || now - since > giveUpAfterMs;
    await metadata.transact(async (nouns) => {
      await attempt.checkpoint({ awaySince: since }, nouns);
      const change = { status: "FAILED", failureCode: "DestinationUnavailable", endedAt: clock() } as const;
      if (isOver) await nouns.backfills.update(id, change);
    });
    if (!isOver) throw laterThan(now - since, destination, cause);
    await abandon();
    return false;
  }

  /** Nobody is bringing those any more that were begun and waited for the destination. */
  async function abandon(): Promise<void> {
    for (const { repository: name, digest } of items) {
      await metadata.transact(async (nouns) => {
        const repository = await nouns.repositories.find(registry, name);
        const image = repository && (await nouns.images.find(repository.id, digest));
        const replica = image && (await nouns.replication.find(image.id, destination));
        if (!image || replica?.status !== "IN_PROGRESS") return;
        const failed = { status: "FAILED", failureCode: "DestinationUnavailable" } as const;
        await nouns.replication.end(image.id, destination, replica.version, failed, clock());
      });
    }
  }
}

/** Items of one image lie beside each other. */
function groups(items: readonly BackfillItem[]): [BackfillItem, ...BackfillItem[]][] {
  const found: [BackfillItem, ...BackfillItem[]][] = [];
  for (const item of items) {
    const last = found.at(-1);
    if (last && last[0].digest === item.digest && last[0].repository === item.repository) last.push(item);
    else found.push([item]);
  }
  return found;
}

function added(progress: Backfill["progress"], results: readonly BackfillResult[]): Backfill["progress"] {
  const { total, completed, failed, failureCodes } = progress ?? {
    total: 0,
    completed: 0,
    failed: 0,
    failureCodes: [],
  };
  const failures = results.filter(({ status }) => status === "FAILED");
  const codes = failures.map(({ failureCode }) => failureCode).filter((code) => code !== undefined);
  return {
    total,
    completed: completed + results.length - failures.length,
    failed: failed + failures.length,
    failureCodes: [...new Set([...failureCodes, ...codes])].sort(),
  };
}
