import { randomUUID } from "node:crypto";
import { type JobKind, jobKind } from "../jobs/kinds.ts";
import type { JobMetadata, JobNouns } from "../jobs/ports.ts";
import { schedule, unschedule } from "../jobs/schedules.ts";
import type { AccountId, Region, RepositoryName } from "../names.ts";
import type { Nouns, Repository } from "./ports.ts";

/** A repository as jobs name it. One that was made anew under the same name has another id. */
export interface RepositoryOfJob {
  readonly id: number;
  readonly account: AccountId;
  readonly region: Region;
  readonly name: RepositoryName;
}

export type EvaluationJob = RepositoryOfJob;
export interface PreviewJob extends RepositoryOfJob {
  readonly preview: number;
}

/** Acts on what the policy of a repository says. Scheduled as long as there is a policy. */
export const evaluateLifecycle = jobKind<EvaluationJob>("lifecycle.evaluate");
/** Finds out what a policy would do. */
export const previewLifecycle = jobKind<PreviewJob>("lifecycle.preview", { maxAttempts: 3 });
/** Drops the results of a preview, when their time is over. */
export const forgetPreview = jobKind<PreviewJob>("lifecycle.forget-preview");

export function repositoryOfJob({ id, registry: { account, region }, name }: Repository): RepositoryOfJob {
  return { id, account, region, name };
}

export const keyOfRepository = ({ id }: { readonly id: number }) => String(id);

/** Evaluations at a moment of the interval that is the repository's own, so that thousands of them are spread over it. */
export async function scheduleEvaluations(
  nouns: Pick<JobNouns, "schedules">,
  repository: RepositoryOfJob,
  { everyMs, now }: { readonly everyMs: number; readonly now: Date },
): Promise<void> {
  await schedule(nouns, evaluateLifecycle, repository, { everyMs, now, key: keyOfRepository(repository) });
}

/** An evaluation that is in the queue finds no policy, or no repository. */
export async function endEvaluations(nouns: Pick<JobNouns, "schedules">, repository: { id: number }): Promise<void> {
  await unschedule(nouns, evaluateLifecycle as JobKind<never>, keyOfRepository(repository));
}

/** In the transaction that `nouns` are of: keeps a text that was checked, and sees to its evaluations. */
export async function setLifecyclePolicy(
  nouns: Nouns & JobNouns,
  repository: Repository,
  {
    text,
    now,
    by,
    everyMs,
  }: { readonly text: string; readonly now: Date; readonly by: string; readonly everyMs: number },
): Promise<void> {
  const stored = await nouns.lifecyclePolicies.find(repository.id);
  // An evaluation that is on its way goes on.
  if (stored?.text !== text) {
    await nouns.lifecyclePolicies.put(repository.id, { id: randomUUID(), text, setAt: now, setBy: by });
  }
  await scheduleEvaluations(nouns, repositoryOfJob(repository), { everyMs, now });
}

const schedulesTogether = 500;

/** Brings schedules to an interval that was configured anew. */
export async function alignEvaluations(
  metadata: JobMetadata,
  { everyMs, now }: { readonly everyMs: number; readonly now: Date },
): Promise<void> {
  const { name: kind } = evaluateLifecycle;
  for (let after = { kind, key: "" }; ; ) {
    const page = await metadata.read.schedules.list({ after, limit: schedulesTogether });
    const others = page.filter((one) => one.kind === kind && one.everyMs !== everyMs);
    if (others.length > 0) {
      await metadata.transact(async (nouns) => {
        for (const { key, payload } of others) {
          const repository = JSON.parse(payload) as RepositoryOfJob;
          // One whose policy is gone by now stays gone.
          if (await nouns.schedules.find(kind, key)) await scheduleEvaluations(nouns, repository, { everyMs, now });
        }
      });
    }
    const last = page.at(-1);
    if (page.length < schedulesTogether || last?.kind !== kind) return;
    after = last;
  }
}
