import type { JobNouns } from "../jobs/ports.ts";
import type { Retention } from "../lifecycle/ports.ts";
import type { LifecycleDecision, LifecyclePlan, LifecyclePolicy } from "../lifecycle/types.ts";
import type { Digest } from "../names.ts";
import { keptUntil } from "./image-removal.ts";
import { actOnGroup, type Outcome, referenced } from "./lifecycle-actions.ts";
import {
  type ActedImage,
  type Attempt,
  eventLimits,
  type FailedImage,
  type LifecycleEvent,
  type RecordLifecycle,
} from "./lifecycle-events.ts";
import { type EvaluationJob, endEvaluations, scheduleEvaluations } from "./lifecycle-jobs.ts";
import { inPieces, othersTurn, planRepository } from "./lifecycle-planning.ts";
import { checkedPolicy } from "./lifecycle-policies.ts";
import type { PolicyVersion, StoredLifecyclePolicy } from "./lifecycle-ports.ts";
import type { Metadata, Nouns } from "./ports.ts";

type All = Nouns & JobNouns;

export interface EvaluationParts {
  readonly metadata: Metadata<All>;
  readonly retention: Retention<Nouns>;
  readonly record: RecordLifecycle;
  readonly clock: () => Date;
  /** From one evaluation of a repository to the next. */
  readonly everyMs: number;
  /** For how long deleted images can be brought back. Left out: they are gone at once, as in ECR. */
  readonly undeleteMs?: number;
}

export interface Evaluated {
  /** `ended`: nobody wanted it any longer, before it began or on the way. */
  readonly outcome: "done" | "ended" | "reported";
  readonly images: number;
  readonly acted: number;
  readonly failed: number;
}

/** So many images share a transaction and an event. */
const imagesTogether = eventLimits.images;
/** Children of indexes that are there are named in the trail, but not tens of thousands of them every day. */
const mostListed = 100;
/** Of what a job may keep. */
const mostKept = 48 * 1024;

/** What a transaction did that may not be on record yet. */
interface Kept {
  readonly version: PolicyVersion;
  readonly actions: readonly ActedImage[];
  readonly failures: readonly FailedImage[];
}

/**
 * Acts on what the policy of a repository says. May run twice, also at once, and may be cut short anywhere: each image is
 * looked at again in the transaction that acts on it, what was done stays done, and whoever comes later plans anew.
 */
export async function evaluateRepository(
  parts: EvaluationParts,
  job: EvaluationJob,
  attempt: Attempt<All>,
): Promise<Evaluated> {
  const { metadata, retention, record, clock, everyMs } = parts;
  const { signal } = attempt;
  const nothing = { outcome: "ended", images: 0, acted: 0, failed: 0 } as const;
  const stored = await metadata.read.lifecyclePolicies.find(job.id);
  await tellAgain(parts, job, attempt, stored);
  if (!(await isThere(metadata.read, job))) {
    // For ever: whoever makes it anew makes another one.
    await metadata.transact((nouns) => endEvaluations(nouns, job));
    return nothing;
  }
  if (!stored) return nothing;

  const policy = checkedPolicy(stored.text);
  const { id, account, region, name } = job;
  const options = await retention.lifecycleOptionsOf(metadata.read, { id, registry: { account, region }, name });
  const plan = await planRepository(metadata.read, id, policy, { now: clock(), options, signal });
  const { images } = plan;
  const total = { acted: 0, failed: 0 };
  if (!options.reportOnly) {
    for (const groups of batchesOf(plan)) {
      signal.throwIfAborted();
      const done = await metadata.transact((nouns) =>
        actTogether(parts, { job, stored, plan, groups, attempt }, nouns),
      );
      if (!done) return { outcome: "ended", images, ...total };
      await tell(record, { job, policy, stored }, done);
      total.acted += done.actions.length;
      total.failed += done.failures.length;
      await othersTurn();
    }
    if (total.acted > 0)
      await tell(record, { job, policy, stored }, { actions: [], failures: await listed(plan, parts) });
  }
  const isStill = await metadata.transact(async (nouns) => {
    const now = clock();
    const still = await nouns.lifecyclePolicies.evaluated(id, stored, now);
    // Follows a change of the configured interval.
    if (still) await scheduleEvaluations(nouns, job, { everyMs, now });
    await attempt.complete(nouns);
    return still;
  });
  return { outcome: !isStill ? "ended" : options.reportOnly ? "reported" : "done", images, ...total };
}

interface Batch {
  readonly job: EvaluationJob;
  readonly stored: StoredLifecyclePolicy;
  readonly plan: LifecyclePlan;
  readonly groups: readonly (readonly LifecycleDecision[])[];
  readonly attempt: Attempt<All>;
}

/** `undefined` when the policy is another one by now, or the repository is gone. */
async function actTogether(
  { retention, clock, undeleteMs = 0 }: EvaluationParts,
  { job, stored, plan, groups, attempt }: Batch,
  nouns: All,
): Promise<Outcome | undefined> {
  // Whoever changes it waits until this batch is done.
  const policy = await nouns.lifecyclePolicies.keep(job.id);
  if (!policy || !isSame(policy, stored) || !(await isThere(nouns, job))) return undefined;
  const outcome: Outcome = { actions: [], failures: [] };
  const { id, account, region, name } = job;
  const repository = { id, registry: { account, region }, name };
  for (const group of groups) {
    const at = clock();
    const acting = { repository, plan, retention, at, keptUntil: keptUntil(at, undeleteMs) };
    await actOnGroup(nouns, acting, group, outcome);
  }
  await attempt.checkpoint(keep(stored, outcome), nouns);
  return outcome;
}

/**
 * What is acted on together: an image and its referrers, which must not be parted, and as many of these as make a batch.
 */
function* batchesOf(plan: LifecyclePlan): Generator<LifecycleDecision[][]> {
  let batch: LifecycleDecision[][] = [];
  let images = 0;
  for (const group of groupsOf(plan)) {
    batch.push(group);
    images += group.length;
    if (images < imagesTogether) continue;
    yield batch;
    [batch, images] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

function* groupsOf(plan: LifecyclePlan): Generator<LifecycleDecision[]> {
  let group: LifecycleDecision[] = [];
  const members = new Set<Digest>();
  for (const decision of plan.actions()) {
    if (decision.follows === undefined || !members.has(decision.follows)) {
      if (group.length > 0) yield group;
      group = [];
      members.clear();
    }
    group.push(decision);
    members.add(decision.digest);
  }
  if (group.length > 0) yield group;
}

/** Those that a rule would act on if no index listed them. */
async function listed(plan: LifecyclePlan, { metadata }: EvaluationParts): Promise<FailedImage[]> {
  const found: LifecycleDecision[] = [];
  if (plan.summary.listed > 0) {
    for (const decision of plan.decisions()) {
      if (decision.reason.code === "listed") found.push(decision);
      if (found.length === mostListed) break;
    }
  }
  const tags = await metadata.read.tags.ofImages(found.map(({ id }) => id));
  return found.map(({ id, digest, pushedAt, reason }) => {
    const { parents, priority } = reason as Extract<typeof reason, { code: "listed" }>;
    return { digest, pushedAt, tags: tags.get(id) ?? [], priority, ...referenced(parents) };
  });
}

async function isThere({ repositories }: Pick<Nouns, "repositories">, job: EvaluationJob): Promise<boolean> {
  const { id, account, region, name } = job;
  return (await repositories.find({ account, region }, name))?.id === id;
}

function isSame(one: PolicyVersion, other: PolicyVersion): boolean {
  return one.id === other.id && one.version === other.version;
}

/** Nothing, when it is too much: then a crash in the next moment costs the trail this one record. */
function keep({ id, version }: PolicyVersion, { actions, failures }: Outcome): Kept | undefined {
  const kept: Kept = { version: { id, version }, actions: actions.map(cut), failures: failures.map(cut) };
  return JSON.stringify(kept).length <= mostKept ? kept : undefined;
}

function cut<Some extends ActedImage>(image: Some): Some {
  return { ...image, tags: image.tags.slice(0, eventLimits.tags) };
}

interface Told {
  readonly job: EvaluationJob;
  readonly policy?: LifecyclePolicy;
  readonly stored: PolicyVersion & { readonly lastEvaluatedAt?: Date };
}

async function tell(
  record: RecordLifecycle,
  { job: repository, policy, stored }: Told,
  { actions, failures }: Pick<Kept, "actions" | "failures">,
): Promise<void> {
  const { id, version, lastEvaluatedAt } = stored;
  const about = { kind: "evaluation", repository, policy, version: { id, version }, lastEvaluatedAt } as const;
  const events: LifecycleEvent[] = [
    ...[...inPieces(actions, eventLimits.images)].map((piece) => ({ ...about, actions: piece, failures: [] })),
    ...[...inPieces(failures, eventLimits.images)].map((piece) => ({ ...about, actions: [], failures: piece })),
  ];
  for (const event of events) await record(event);
}

/** What the attempt before this one did last is on record, or is not: it cannot be known, and twice is better than never. */
async function tellAgain(
  { record }: EvaluationParts,
  job: EvaluationJob,
  { progress }: Attempt<All>,
  stored: StoredLifecyclePolicy | undefined,
): Promise<void> {
  const kept = progress as Kept | undefined;
  if (!kept) return;
  const isStored = stored !== undefined && isSame(stored, kept.version);
  const policy = isStored ? checkedPolicy(stored.text) : undefined;
  await tell(record, { job, policy, stored: isStored ? stored : kept.version }, kept);
}
