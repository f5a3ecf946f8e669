import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { diffPlans } from "../lifecycle/diff.ts";
import { noPolicy } from "../lifecycle/planner.ts";
import type { LifecycleDecision, LifecycleSummary, PlanChange } from "../lifecycle/types.ts";
import type { Digest, RepositoryName, Tag } from "../names.ts";
import { inTurns } from "../turns.ts";
import type { ImageReference } from "./image-references.ts";
import { lifecycleOptions } from "./kept-by-retention.ts";
import { planRepository } from "./lifecycle-planning.ts";
import { checkedPolicy } from "./lifecycle-policies.ts";
import type { Metadata } from "./ports.ts";
import { existing } from "./repositories.ts";

/**
 * Answers about lifecycle policies, without doing anything. Each plans the whole repository, as of one time for all pages of
 * a list; one after the other, so that few plans are in memory at once.
 */
export interface LifecycleAnswerService {
  /**
   * What the policy does with images and why, oldest first, or with those that `references` name.
   * @throws LifecyclePolicyNotFound, InvalidParameter, ImageNotFound
   */
  explain(granted: Granted, name: RepositoryName, asked: AskedLifecycle): Promise<LifecycleAnswer<LifecycleDecision>>;
  /** What policy or retention would change, likewise. Without a policy of today, what the new one does. */
  diff(
    granted: Granted,
    name: RepositoryName,
    asked: Omit<AskedLifecycle, "references">,
  ): Promise<LifecycleAnswer<PlanChange> & { readonly before: LifecycleSummary }>;
}

export interface AskedLifecycle {
  /** Left out: the one that is set. */
  readonly policyText?: string;
  /** Left out: the one that is set. */
  readonly retentionText?: string;
  readonly references?: readonly ImageReference[];
  readonly after?: LifecyclePlace;
  readonly limit: number;
}

/** Where a list goes on: behind this image. */
export interface LifecyclePlace {
  /** As of when the first page was planned, in milliseconds since 1970. */
  readonly at: number;
  readonly orderedBy: number;
  readonly digest: Digest;
}

export interface LifecycleAnswer<Item> {
  readonly at: Date;
  readonly summary: LifecycleSummary;
  readonly items: readonly (Item & { readonly tags: readonly Tag[]; readonly place: LifecyclePlace })[];
}

export interface LifecycleAnswerParts {
  readonly metadata: Metadata;
  readonly clock: () => Date;
}

export function createLifecycleAnswers({ metadata, clock }: LifecycleAnswerParts): LifecycleAnswerService {
  const { read } = metadata;
  const turn = inTurns();

  async function withTags<Item extends { readonly digest: Digest }>(
    at: Date,
    items: readonly Item[],
    decisionOf: (item: Item) => LifecycleDecision,
  ) {
    const tags = await read.tags.ofImages(items.map((item) => decisionOf(item).id));
    return items.map((item) => {
      const { id, orderedBy, digest } = decisionOf(item);
      return { ...item, tags: tags.get(id) ?? [], place: { at: at.getTime(), orderedBy, digest } };
    });
  }

  return {
    explain: (granted, name, { policyText, retentionText, references, after, limit }) =>
      turn(async () => {
        const { registry } = granted;
        const { id } = await existing(read.repositories, registry, name);
        const text = policyText ?? (await read.lifecyclePolicies.find(id))?.text;
        if (text === undefined) throw refuse("LifecyclePolicyNotFound", { repository: name, registry });
        const now = after ? new Date(after.at) : clock();
        const options = await lifecycleOptions(read, id, now, retentionText);
        const plan = await planRepository(read, id, checkedPolicy(text), { now, options });
        let found: LifecycleDecision[] = [];
        if (references) {
          for (const { digest, tag } of references) {
            const meant = tag === undefined ? digest : (await read.tags.find(id, tag))?.digest;
            const decision = meant && plan.decision(meant);
            if (!decision) throw refuse("ImageNotFound", { repository: name, registry, digest, tag });
            found.push(decision);
          }
        } else found = pageOf(plan.decisions(), (decision) => decision, after, limit);
        return { at: now, summary: plan.summary, items: await withTags(now, found, (decision) => decision) };
      }),
    diff: (granted, name, { policyText, retentionText, after, limit }) =>
      turn(async () => {
        const { id } = await existing(read.repositories, granted.registry, name);
        const stored = await read.lifecyclePolicies.find(id);
        const policy = stored ? checkedPolicy(stored.text) : noPolicy;
        const other = policyText === undefined ? policy : checkedPolicy(policyText);
        const now = after ? new Date(after.at) : clock();
        const [options, otherOptions] = [
          await lifecycleOptions(read, id, now),
          await lifecycleOptions(read, id, now, retentionText),
        ];
        const before = await planRepository(read, id, policy, { now, options });
        const plan = await planRepository(read, id, other, { now, options: otherOptions });
        const known = ({ before, after }: PlanChange) => (after ?? before) as LifecycleDecision;
        const found = pageOf(diffPlans(before, plan), known, after, limit);
        return { at: now, summary: plan.summary, before: before.summary, items: await withTags(now, found, known) };
      }),
  };
}

/** Oldest first, behind a place. */
function pageOf<Item>(
  items: Iterable<Item>,
  decisionOf: (item: Item) => LifecycleDecision,
  after: LifecyclePlace | undefined,
  limit: number,
): Item[] {
  const found: Item[] = [];
  for (const item of items) {
    const { orderedBy, digest } = decisionOf(item);
    if (after && (orderedBy < after.orderedBy || (orderedBy === after.orderedBy && digest <= after.digest))) continue;
    found.push(item);
    if (found.length === limit) break;
  }
  return found;
}
