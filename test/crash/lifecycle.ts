import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enqueue } from "../../src/domain/jobs/kinds.ts";
import { createQueue, defaultLeaseMs, LeaseLost } from "../../src/domain/jobs/queue.ts";
import { planLifecycle } from "../../src/domain/lifecycle/planner.ts";
import { noRetention } from "../../src/domain/lifecycle/ports.ts";
import { daysAgo, digestFor, now as planNow, policyOf } from "../../src/domain/lifecycle/testing.ts";
import type { LifecycleImage, LifecyclePolicy } from "../../src/domain/lifecycle/types.ts";
import type { Digest, RepositoryName, Tag } from "../../src/domain/names.ts";
import { evaluateRepository } from "../../src/domain/registry/lifecycle-evaluation.ts";
import type { LifecycleEvent, RecordLifecycle } from "../../src/domain/registry/lifecycle-events.ts";
import { type EvaluationJob, evaluateLifecycle, keyOfRepository } from "../../src/domain/registry/lifecycle-jobs.ts";
import { type AllMetadata, metadata as metadataOver } from "../../src/storage/metadata/metadata.ts";
import { openSqliteEngine } from "../../src/storage/metadata/sqlite.ts";
import { createRandom, type Random } from "../support/random.ts";
import { registry } from "./berth.ts";
import { Crashed, Faults } from "./faults.ts";
import { faultyEngine } from "./faulty-database.ts";
import type { Figures } from "./figures.ts";
import { checkDatabase } from "./inspect.ts";
import { Loss } from "./perform.ts";

/**
 * Crashes while a lifecycle policy is carried out. A repository that was made up is evaluated by processes that end at any
 * step, at the database or at the audit trail, until one comes to the end. Then all that one evaluation had to remove is
 * gone, nothing that no evaluation would remove, and everything that is gone is on record.
 */

const policies: readonly (readonly string[])[] = [
  ["1: any, c>3"],
  ["1: PX a, c>2", "2: untagged, c>1"],
  ["1: untagged, p>5", "2: any, p>20"],
  ["1: any, p>10, archive"],
  ["1: PX b, c>1, archive", "2: any, c>4"],
];
/** Fewer than make a dead letter of the job. */
const mostCrashes = 5;
const stepsOfEvaluation = 250;

export async function playLifecycle(seed: string, figures: Figures): Promise<Loss | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "berth-lifecycle-"));
  try {
    await playIn(join(folder, "berth.sqlite"), createRandom(seed), figures);
    return undefined;
  } catch (error) {
    return error instanceof Loss ? error : new Loss(`the run itself failed: ${(error as Error).stack}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
    figures.runs++;
  }
}

async function playIn(path: string, random: Random, figures: Figures): Promise<void> {
  const policy = policyOf(random.pick(policies));
  let nowMs = planNow;
  const clock = () => new Date(nowMs);
  const job = await withMetadata(path, (metadata) => makeUp(metadata, random, policy, clock));
  const before = await withMetadata(path, (metadata) => imagesIn(metadata, job));
  const events: LifecycleEvent[] = [];
  for (let lives = 0; ; lives++) {
    const faults = new Faults(figures.faults);
    let record = async (event: LifecycleEvent) => void events.push(event);
    if (lives < mostCrashes && random.chance(0.3)) {
      // The moment in which the trail alone does not know yet.
      record = async () => {
        faults.crash("before audit record");
        faults.alive();
      };
    } else if (lives < mostCrashes) {
      const crash = { step: 1 + random.below(stepsOfEvaluation), when: random.pick(["before", "after"] as const) };
      faults.arm({ crash, faults: [], onCrash() {} });
    }
    if (!(await live(path, { faults, clock, record }))) break;
    figures.crashes++;
    // Whoever comes next waits for the lease of the one that is gone, and then for its own turn.
    nowMs += defaultLeaseMs;
    await withMetadata(path, (metadata) => createQueue({ metadata, worker: "next", clock }).recover());
    nowMs += 60 * 60_000;
  }
  checkDatabase(path);
  await withMetadata(path, (metadata) => check(metadata, { job, policy, before, events, at: nowMs }));
}

async function withMetadata<Result>(path: string, work: (metadata: AllMetadata) => Promise<Result>): Promise<Result> {
  const engine = await openSqliteEngine({ path });
  try {
    return await work(metadataOver(engine));
  } finally {
    await engine.close();
  }
}

/** One process. Answers whether it crashed, so that another has to come. */
async function live(
  path: string,
  { faults, clock, record }: { faults: Faults; clock: () => Date; record: RecordLifecycle },
): Promise<boolean> {
  const engine = await openSqliteEngine({ path });
  try {
    const metadata = metadataOver(faultyEngine(engine, faults));
    const queue = createQueue({ metadata, worker: "process", clock });
    for (const { payload, progress, claim } of await queue.claim(evaluateLifecycle.name, 1)) {
      const parts = { metadata, retention: noRetention, record, clock, everyMs: 24 * 60 * 60_000 };
      await evaluateRepository(parts, JSON.parse(payload) as EvaluationJob, {
        signal: new AbortController().signal,
        progress: progress === undefined ? undefined : JSON.parse(progress),
        checkpoint: (kept, nouns) => queue.checkpoint(claim, kept, nouns),
        async complete({ jobs }) {
          if (!(await jobs.complete(claim, clock()))) throw new LeaseLost();
        },
      });
    }
    return false;
  } catch (error) {
    if (error instanceof Crashed) return true;
    throw error;
  } finally {
    faults.arm(undefined);
    await engine.close();
  }
}

async function makeUp(
  metadata: AllMetadata,
  random: Random,
  policy: LifecyclePolicy,
  clock: () => Date,
): Promise<EvaluationJob> {
  const name = "app" as RepositoryName;
  return metadata.transact(async (nouns) => {
    const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
    const encryption = { type: "AES256" } as const;
    const repository = { registry, name, createdAt: clock(), encryption, ...settings };
    const { id = 0 } = (await nouns.repositories.create(repository, new Map())) ?? {};
    const pushed: Digest[] = [];
    const count = 5 + random.below(40);
    for (let number = 0; number < count; number++) {
      const digest = digestFor(`${number}`);
      const image = await nouns.images.put({
        repositoryId: id,
        digest,
        mediaType: "m",
        manifestBytes: 1,
        imageBytes: 1,
        manifest: Uint8Array.of(1),
        layers: [],
        subject: pushed.length > 0 && random.chance(0.2) ? random.pick(pushed) : undefined,
        children: pushed.length > 1 && random.chance(0.15) ? [random.pick(pushed)] : [],
        pushedAt: new Date(daysAgo(count - number)),
      });
      const tags = ["a", "b", "c"].filter(() => random.chance(0.3)).map((letter) => `${letter}${number}` as Tag);
      for (const tag of tags) await nouns.tags.set(id, tag, { id: image.id, digest }, clock());
      pushed.push(digest);
    }
    await nouns.lifecyclePolicies.put(id, { id: "policy", text: policy.text, setAt: clock(), setBy: "arn" });
    const job = { id, ...registry, name };
    await enqueue(nouns, evaluateLifecycle, job, { key: keyOfRepository(job), now: clock() });
    return job;
  });
}

const imagesIn = ({ read }: AllMetadata, { id }: EvaluationJob) => read.lifecycleImages.page(id, { limit: 1000 });

interface Ended {
  readonly job: EvaluationJob;
  readonly policy: LifecyclePolicy;
  readonly before: readonly LifecycleImage[];
  readonly events: readonly LifecycleEvent[];
  readonly at: number;
}

async function check(metadata: AllMetadata, { job, policy, before, events, at }: Ended): Promise<void> {
  const after = await imagesIn(metadata, job);
  const isActive = new Set(after.filter(({ status }) => status === "ACTIVE").map(({ digest }) => digest));
  const acted = before.map(({ digest }) => digest).filter((digest) => !isActive.has(digest));
  const { least, most } = boundsOf(policy, before, at);
  for (const digest of least) if (isActive.has(digest)) throw new Loss(`${digest} had to be acted on, and was not`);
  for (const digest of acted) if (!most.has(digest)) throw new Loss(`${digest} was acted on, and no rule wanted it`);
  const recorded = new Set(events.flatMap(({ actions }) => actions.map(({ digest }) => digest)));
  for (const digest of acted) if (!recorded.has(digest)) throw new Loss(`${digest} was acted on without a record`);
  for (const digest of recorded) if (isActive.has(digest)) throw new Loss(`${digest} is on record, and untouched`);
  const jobs = await metadata.read.jobs.counts();
  if (jobs.length > 0) throw new Loss(`the queue has ${JSON.stringify(jobs)}`);
  const { lastEvaluatedAt } = (await metadata.read.lifecyclePolicies.find(job.id)) ?? {};
  if (lastEvaluatedAt?.getTime() !== at) throw new Loss("the policy does not say when it was evaluated");
}

/** What the first evaluation acts on, and what all that follow it would, when nobody pushes any more. */
function boundsOf(policy: LifecyclePolicy, images: readonly LifecycleImage[], at: number) {
  const most = new Set<Digest>();
  let least: Set<Digest> | undefined;
  for (let left = [...images]; ; ) {
    const round = [...planLifecycle(policy, left, at).actions()].filter(({ digest }) => !most.has(digest));
    least ??= new Set(round.map(({ digest }) => digest));
    if (round.length === 0) return { least, most };
    for (const { digest } of round) most.add(digest);
    const expired = new Set(round.filter(({ action }) => action === "expire").map(({ digest }) => digest));
    left = left
      .filter(({ digest }) => !expired.has(digest))
      .map((image) => (most.has(image.digest) ? { ...image, status: "ARCHIVED", archivedAt: at } : image));
  }
}
