import { activating, active, archived, type Columns, createLinks, type Links } from "./columns.ts";
import { policyLimits } from "./policy.ts";
import type { Ranking } from "./ranking.ts";
import { dayMs, type Rulebook } from "./rulebook.ts";

/** What is done with an image. A larger number takes more. */
export const keep = 0;
export const transition = 1;
export const expire = 2;

/** Why: what `reasonOf` (plan.ts) makes a reason of. */
export const verdict = {
  unselected: 0,
  byRule: 1,
  notYet: 2,
  retained: 3,
  held: 4,
  listed: 5,
  referrer: 6,
  activating: 7,
  bySubject: 8,
  archiveMinimum: 9,
} as const;

/** What is to become of every image, all references considered. */
export interface Outcome {
  readonly action: Uint8Array;
  readonly verdict: Uint8Array;
  /** The rule that acts on the image, or would if no index listed it; -1 for what follows into the archive by itself. */
  readonly rule: Int8Array;
  /** What each image follows in the end, itself where it follows nothing. */
  readonly root: Int32Array;
  readonly followers: Links;
  readonly parents: Links;
  readonly childrenOf: Links;
}

/**
 * What each image follows: its subject, where that is in the repository. Tags can be put in a circle, and none in it
 * follows anything then.
 */
export function subjectsOf({ size, has, subject }: Columns): Int32Array {
  const found = new Int32Array(size).fill(-1);
  for (let image = 0; image < size; image++) {
    const of = subject[image] as number;
    if (has[image] && of >= 0 && has[of]) found[image] = of;
  }
  // The number of the walk that came by; each image is walked over once.
  const walk = new Int32Array(size);
  for (let start = 0; start < size; start++) {
    let at = start;
    while (at >= 0 && walk[at] === 0) {
      walk[at] = start + 1;
      at = found[at] as number;
    }
    if (at < 0 || walk[at] !== start + 1) continue;
    for (let next = at; (found[next] as number) >= 0; ) {
      const after = found[next] as number;
      found[next] = -1;
      next = after;
    }
  }
  return found;
}

export function settle(
  columns: Columns,
  { rules }: Rulebook,
  ranking: Ranking,
  subject: Int32Array,
  now: number,
): Outcome {
  const { size, has, status, holds } = columns;
  const numbers = Int32Array.from({ length: size }, (_, number) => number);
  const followers = createLinks(size, subject, numbers);
  const parents = createLinks(size, columns.children, columns.parents);
  const childrenOf = createLinks(size, columns.parents, columns.children);
  const action = new Uint8Array(size);
  const why = new Uint8Array(size);
  const rule = ranking.firstRule.slice();
  const root = numbers.slice();

  for (const image of ranking.oldestFirst) if ((subject[image] as number) < 0) decideAlone(image);
  const following = inOrder();
  for (const image of following) decideFollower(image);
  unblock();
  return { action, verdict: why, rule, root, followers, parents, childrenOf };

  function decide(image: number, what: number, because: number) {
    action[image] = what;
    why[image] = because;
  }

  function decideAlone(image: number) {
    const first = rules[rule[image] as number];
    if (status[image] === activating) decide(image, keep, verdict.activating);
    else if (holds.has(image)) decide(image, keep, verdict.held);
    else if ((ranking.retainedBy[image] as number) >= 0) decide(image, keep, verdict.retained);
    else if (!first) decide(image, keep, verdict.unselected);
    else if (ranking.acts[image] === 0) decide(image, keep, verdict.notYet);
    else {
      decide(image, first.action === "expire" ? expire : transition, verdict.byRule);
      if (isListed(image)) decide(image, keep, verdict.listed);
    }
  }

  /** Subjects before what follows them, however long the chain. */
  function inOrder(): number[] {
    const order: number[] = [];
    for (const image of ranking.oldestFirst) {
      if ((subject[image] as number) >= 0) continue;
      const from = order.length;
      for (const follower of followers.of(image)) order.push(follower);
      for (let at = from; at < order.length; at++) {
        const follower = order[at] as number;
        root[follower] = image;
        for (const next of followers.of(follower)) order.push(next);
      }
    }
    return order;
  }

  /** As its subject, except for what keeps it by itself. Indexes that list it are looked at when all are decided. */
  function decideFollower(image: number) {
    const of = subject[image] as number;
    // A subject that is in the archive has its referrers there, also those that were pushed since.
    rule[image] = action[of] === keep ? -1 : (rule[of] as number);
    const wanted = Math.max(action[of] as number, status[of] === archived ? transition : keep);
    if (wanted === keep) decide(image, keep, verdict.referrer);
    else if (status[image] === activating) decide(image, keep, verdict.activating);
    else if (holds.has(image)) decide(image, keep, verdict.held);
    else if (status[image] === active) decide(image, wanted, verdict.bySubject);
    else if (wanted === transition) decide(image, keep, verdict.referrer);
    else if (leavesArchive(image)) decide(image, expire, verdict.bySubject);
    else decide(image, keep, verdict.archiveMinimum);
  }

  function leavesArchive(image: number): boolean {
    const { archivedAt } = columns.times(image);
    return archivedAt !== undefined && now - archivedAt > policyLimits.archiveDays * dayMs;
  }

  /**
   * Whether an index stands in the way. Nothing goes while an index is there that lists it, and nothing is archived
   * before the index; indexes that go along, because they follow the same image, do not count.
   */
  function isListed(image: number): boolean {
    for (const parent of parents.of(image)) {
      if (!has[parent]) continue;
      const together = (subject[image] as number) >= 0 && root[parent] === root[image];
      if (together && (action[parent] as number) >= (action[image] as number)) continue;
      if (action[image] === transition && status[parent] === archived) continue;
      return true;
    }
    return false;
  }

  /** What turns out to stay keeps what it lists and what follows it. No image changes more than a few times: it is only ever weakened. */
  function unblock() {
    const queue = following.filter((image) => action[image] !== keep && isListed(image));
    for (const image of queue) decide(image, keep, verdict.listed);
    for (let image = queue.pop(); image !== undefined; image = queue.pop()) {
      for (const follower of followers.of(image)) {
        const [before, ruleBefore] = [action[follower], rule[follower]];
        if (before === keep) continue;
        decideFollower(follower);
        if (action[follower] !== keep && isListed(follower)) decide(follower, keep, verdict.listed);
        if (action[follower] !== before || rule[follower] !== ruleBefore) queue.push(follower);
      }
      for (const child of childrenOf.of(image)) {
        if (action[child] === keep || (subject[child] as number) < 0 || !isListed(child)) continue;
        decide(child, keep, verdict.listed);
        queue.push(child);
      }
    }
  }
}
