import { activating, type Columns } from "./columns.ts";
import type { Rulebook } from "./rulebook.ts";

/** What the rules say of each image by itself, before anybody asks what refers to what. */
export interface Ranking {
  /** Images from the oldest to the newest. Of two of one moment the smaller digest counts as older. */
  readonly oldestFirst: Int32Array;
  /** Where each image is in that order. */
  readonly place: Int32Array;
  /** The rule that selects the image first, or -1: no later one may touch it. */
  readonly firstRule: Int8Array;
  /** Whether that rule acts. */
  readonly acts: Uint8Array;
  /** The place among the images of that rule, the newest being 1. */
  readonly position: Uint32Array;
  /** A later rule that would act, or -1. */
  readonly spared: Int8Array;
  /** The retain rule that keeps it, or -1. */
  readonly retainedBy: Int8Array;
  /** By rule. */
  readonly selected: Uint32Array;
}

/**
 * One walk from the newest image to the oldest, with a counter for each rule. Every rule counts every image that it
 * selects, also those that another rule takes; only images that follow a subject, and those on their way out of the
 * archive, are nobody's.
 */
export function rank(columns: Columns, { rules, retain, isOld }: Rulebook, subject: Int32Array, now: number): Ranking {
  const { size } = columns;
  const oldestFirst = sortByAge(columns);
  const place = new Int32Array(size);
  oldestFirst.forEach((image, at) => {
    place[image] = at;
  });
  const firstRule = new Int8Array(size).fill(-1);
  const acts = new Uint8Array(size);
  const position = new Uint32Array(size);
  const spared = new Int8Array(size).fill(-1);
  const retainedBy = Int8Array.from(columns.retainedBy);
  const selected = new Uint32Array(rules.length);
  const retainSeen = new Uint32Array(retain.length);

  for (let at = oldestFirst.length - 1; at >= 0; at--) {
    const image = oldestFirst[at] as number;
    if ((subject[image] as number) >= 0 || columns.status[image] === activating) {
      retainedBy[image] = -1;
      continue;
    }
    countRetains(image);
    const times = columns.times(image);
    let [word, base] = [columns.rules[image] as number, 0];
    for (;;) {
      for (; word !== 0; word &= word - 1) {
        const index = base + 31 - Math.clz32(word & -word);
        const rule = rules[index];
        if (!rule) continue;
        const nth = ++(selected[index] as number);
        const marks =
          rule.selection.countType === "imageCountMoreThan"
            ? nth > rule.selection.countNumber
            : isOld(rule, times, now);
        if (firstRule[image] === -1) {
          firstRule[image] = index;
          position[image] = nth;
          acts[image] = marks ? 1 : 0;
        } else if (marks && acts[image] === 0 && spared[image] === -1) spared[image] = index;
      }
      if (base > 0) break;
      [word, base] = [columns.moreRules[image] as number, 32];
    }
  }
  return { oldestFirst, place, firstRule, acts, position, spared, retainedBy, selected };

  function countRetains(image: number) {
    for (let word = columns.countingRetains[image] as number; word !== 0; word &= word - 1) {
      const index = 31 - Math.clz32(word & -word);
      const keep = retain[index]?.keep;
      if (keep?.kind !== "newest") continue;
      const nth = ++(retainSeen[index] as number);
      const better = retainedBy[image] === -1 || index < (retainedBy[image] as number);
      if (nth <= keep.count && better) retainedBy[image] = index;
    }
  }
}

/** Sorts only what does not come sorted already, in either direction. */
function sortByAge({ size, has, orderedBy, digests }: Columns): Int32Array {
  const images = new Int32Array(size);
  let count = 0;
  for (let number = 0; number < size; number++) if (has[number]) images[count++] = number;
  const list = images.subarray(0, count);
  const compare = (one: number, other: number) => {
    const [a, b] = [orderedBy[one] as number, orderedBy[other] as number];
    if (a !== b) return a - b;
    return (digests[one] as string) < (digests[other] as string) ? -1 : 1;
  };
  let [rises, falls] = [true, true];
  for (let at = 1; at < count && (rises || falls); at++) {
    if (compare(list[at - 1] as number, list[at] as number) < 0) falls = false;
    else rises = false;
  }
  if (falls) list.reverse();
  else if (!rises) list.sort(compare);
  return list;
}
