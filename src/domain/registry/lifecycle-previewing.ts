import { enqueue } from "../jobs/kinds.ts";
import type { JobNouns } from "../jobs/ports.ts";
import type { Retention } from "../lifecycle/ports.ts";
import { previewEntry } from "../lifecycle/preview.ts";
import type { LifecycleDecision, LifecyclePlan, PreviewEntry } from "../lifecycle/types.ts";
import { type Attempt, eventLimits, type RecordLifecycle } from "./lifecycle-events.ts";
import { forgetPreview, keyOfRepository, type PreviewJob } from "./lifecycle-jobs.ts";
import { inPieces, othersTurn, planRepository } from "./lifecycle-planning.ts";
import { checkedPolicy } from "./lifecycle-policies.ts";
import { previewLifetimeMs } from "./lifecycle-previews.ts";
import type { Metadata, Nouns } from "./ports.ts";

export interface PreviewingParts {
  readonly metadata: Metadata<Nouns & JobNouns>;
  readonly retention: Retention<Nouns>;
  readonly record: RecordLifecycle;
  readonly clock: () => Date;
}

/** Bounds what a page of results costs whoever reads it: images have up to a thousand tags. */
const pageOf = { entries: 250, characters: 256 * 1024 };
const pagesTogether = 8;
/** Of a preview with tens of thousands of results, the trail names the first. */
const mostEvents = 100;

/**
 * Plans, and keeps what the plan lists. May run twice: each attempt begins anew, and whoever lost the job can add no page
 * to those of somebody else.
 */
export async function makePreview(
  { metadata, retention, record, clock }: PreviewingParts,
  job: PreviewJob,
  attempt: Attempt<Nouns & JobNouns>,
): Promise<void> {
  const { id: repositoryId, account, region, name, preview: previewId } = job;
  const preview = await metadata.read.lifecyclePreviews.find(repositoryId);
  if (preview?.id !== previewId || preview.status !== "IN_PROGRESS") return;
  const { signal } = attempt;
  if (attempt.progress !== undefined) {
    await metadata.transact(async (nouns) => {
      await attempt.checkpoint({}, nouns);
      await nouns.lifecyclePreviews.clear(previewId);
    });
  }
  const policy = checkedPolicy(preview.text);
  const repository = { id: repositoryId, registry: { account, region }, name };
  const options = await retention.lifecycleOptionsOf(metadata.read, repository);
  const plan = await planRepository(metadata.read, repositoryId, policy, { now: clock(), options, signal });

  const firstEntries: PreviewEntry[] = [];
  let number = 0;
  const write = async (pages: readonly (readonly PreviewEntry[])[]) => {
    signal.throwIfAborted();
    const first = number;
    await metadata.transact(
      async (nouns) => {
        await attempt.checkpoint({}, nouns);
        for (const [index, page] of pages.entries()) {
          await nouns.lifecyclePreviews.addPage(previewId, first + index, page);
        }
      },
      { durable: false },
    );
    number += pages.length;
    await othersTurn();
  };
  let pages: PreviewEntry[][] = [];
  for await (const page of pagesOf(metadata.read, plan)) {
    if (firstEntries.length < mostEvents * eventLimits.images) firstEntries.push(...page);
    pages.push(page);
    if (pages.length < pagesTogether) continue;
    await write(pages);
    pages = [];
  }
  if (pages.length > 0) await write(pages);

  const at = clock();
  const { expiring, transitioning } = plan.summary;
  const ended = await metadata.transact(async (nouns) => {
    await attempt.checkpoint({}, nouns);
    if (!(await nouns.lifecyclePreviews.end(previewId, { status: "COMPLETE", at, expiring, transitioning })))
      return false;
    const runAt = new Date(at.getTime() + previewLifetimeMs);
    await enqueue(nouns, forgetPreview, job, { key: `${keyOfRepository(job)}/${previewId}`, now: at, runAt });
    return true;
  });
  if (!ended) return;
  for (const entries of inPieces(firstEntries.slice(0, mostEvents * eventLimits.images), eventLimits.images)) {
    await record({ kind: "preview", repository: job, policy, actions: entries.map(toAction), failures: [] });
  }
}

function toAction({
  imageDigest: digest,
  imageTags: tags,
  imagePushedAt: pushedAt,
  appliedRulePriority,
}: PreviewEntry) {
  return { digest, tags, pushedAt, priority: appliedRulePriority };
}

/** The results with their tags, which the plan has forgotten. */
async function* pagesOf(read: Pick<Nouns, "tags">, plan: LifecyclePlan): AsyncGenerator<PreviewEntry[]> {
  for (const decisions of inPieces(plan.preview(), pageOf.entries)) {
    const tagged = decisions.filter(({ tagged }) => tagged).map(({ id }) => id);
    const tags = await read.tags.ofImages(tagged);
    yield* bounded(decisions, (decision) => previewEntry(decision, tags.get(decision.id) ?? []));
  }
}

function* bounded(decisions: readonly LifecycleDecision[], entryOf: (decision: LifecycleDecision) => PreviewEntry) {
  let page: PreviewEntry[] = [];
  let characters = 0;
  for (const decision of decisions) {
    const entry = entryOf(decision);
    page.push(entry);
    characters += entry.imageTags.reduce((sum, tag) => sum + tag.length, 0);
    if (characters < pageOf.characters) continue;
    yield page;
    [page, characters] = [[], 0];
  }
  if (page.length > 0) yield page;
}

/** For a job that has failed for good: nobody waits for it any longer. */
export async function failPreview(
  { metadata, clock }: Pick<PreviewingParts, "metadata" | "clock">,
  { preview }: PreviewJob,
): Promise<void> {
  await metadata.transact(async ({ lifecyclePreviews }) => {
    await lifecyclePreviews.end(preview, { status: "FAILED", at: clock() });
    await lifecyclePreviews.clear(preview);
  });
}

/** The results, not that there was a preview. */
export async function dropResults(
  { metadata }: Pick<PreviewingParts, "metadata">,
  { preview }: PreviewJob,
): Promise<void> {
  await metadata.transact(({ lifecyclePreviews }) => lifecyclePreviews.clear(preview));
}
