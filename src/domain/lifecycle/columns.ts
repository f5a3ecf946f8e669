import type { Digest } from "../names.ts";
import type { Reading, Times } from "./rulebook.ts";
import type { Hold, ImageStatus, LifecycleImage } from "./types.ts";

/** More than any repository has, so that no repository takes the memory of the process. */
const limits = { images: 2_000_000, references: 8_000_000 };

export const statuses: readonly ImageStatus[] = ["ACTIVE", "ARCHIVED", "ACTIVATING"];
export const [active, archived, activating] = [0, 1, 2];

/**
 * The images of a repository by number, one column for each fact: a hundred thousand objects would take several times
 * the memory. A number is given to a digest when it is first heard of, be it as somebody's subject or child; whether the
 * image itself was added, `has` says.
 */
export interface Columns {
  add(image: LifecycleImage, reading: Reading, hold: Hold | undefined): void;
  /** How many numbers there are. */
  readonly size: number;
  /** How many images were added. */
  readonly images: number;
  numberOf(digest: Digest): number | undefined;
  readonly digests: readonly Digest[];
  readonly has: readonly boolean[];
  readonly ids: readonly number[];
  readonly bytes: readonly number[];
  readonly tagged: readonly boolean[];
  /** Index into `statuses`. */
  readonly status: readonly number[];
  readonly orderedBy: readonly number[];
  readonly rules: readonly number[];
  readonly moreRules: readonly number[];
  readonly countingRetains: readonly number[];
  readonly retainedBy: readonly number[];
  readonly holds: ReadonlyMap<number, Hold>;
  /** The number of what it follows, or -1. */
  readonly subject: readonly number[];
  readonly pushedAt: readonly number[];
  times(number: number): Times;
  /** References of indexes, one after the other. */
  readonly parents: readonly number[];
  readonly children: readonly number[];
}

/** Stands for a time that is not there. */
const never = Number.NaN;

/** @throws RangeError from `add`, beyond the limits */
export function createColumns({ images: maxImages, references: maxReferences } = limits): Columns {
  const numbers = new Map<Digest, number>();
  const digests: Digest[] = [];
  const has: boolean[] = [];
  const ids: number[] = [];
  const bytes: number[] = [];
  const tagged: boolean[] = [];
  const status: number[] = [];
  const orderedBy: number[] = [];
  const rules: number[] = [];
  const moreRules: number[] = [];
  const countingRetains: number[] = [];
  const retainedBy: number[] = [];
  const holds = new Map<number, Hold>();
  const subject: number[] = [];
  const pushedAt: number[] = [];
  const lastPulledAt: number[] = [];
  const taggedAt: number[] = [];
  const archivedAt: number[] = [];
  const activatedAt: number[] = [];
  const parents: number[] = [];
  const children: number[] = [];
  // Every column is as long as the others, so that no array has holes.
  const amounts = [ids, bytes, status, orderedBy, rules, moreRules, countingRetains];
  const references = [retainedBy, subject];
  const moments = [pushedAt, lastPulledAt, taggedAt, archivedAt, activatedAt];
  let images = 0;

  function numberFor(digest: Digest): number {
    const known = numbers.get(digest);
    if (known !== undefined) return known;
    const number = digests.length;
    numbers.set(digest, number);
    digests.push(digest);
    has.push(false);
    for (const column of amounts) column.push(0);
    for (const column of references) column.push(-1);
    for (const column of moments) column.push(never);
    tagged.push(false);
    return number;
  }

  return {
    add(image, reading, hold) {
      const number = numberFor(image.digest);
      // Pages that are read while images come and go can show one twice. The first is as true as the second.
      if (has[number]) return;
      if (++images > maxImages) throw new RangeError(`more than ${maxImages} images`);
      has[number] = true;
      ids[number] = image.id;
      bytes[number] = image.bytes;
      tagged[number] = image.tags.length > 0;
      status[number] = statuses.indexOf(image.status);
      orderedBy[number] = reading.orderedBy;
      rules[number] = reading.rules;
      moreRules[number] = reading.moreRules;
      countingRetains[number] = reading.countingRetains;
      retainedBy[number] = reading.retainedBy;
      if (hold) holds.set(number, hold);
      if (reading.subject !== undefined) subject[number] = numberFor(reading.subject);
      pushedAt[number] = image.pushedAt;
      lastPulledAt[number] = image.lastPulledAt ?? never;
      taggedAt[number] = image.taggedAt ?? never;
      archivedAt[number] = image.archivedAt ?? never;
      activatedAt[number] = image.activatedAt ?? never;
      for (const child of image.children) {
        if (parents.length === maxReferences) throw new RangeError(`more than ${maxReferences} references of indexes`);
        parents.push(number);
        children.push(numberFor(child));
      }
    },
    get size() {
      return digests.length;
    },
    get images() {
      return images;
    },
    numberOf: (digest) => {
      const number = numbers.get(digest);
      return number !== undefined && has[number] ? number : undefined;
    },
    digests,
    has,
    ids,
    bytes,
    tagged,
    status,
    orderedBy,
    rules,
    moreRules,
    countingRetains,
    retainedBy,
    holds,
    subject,
    pushedAt,
    times(number) {
      const time = (column: readonly number[]) => {
        const at = column[number] as number;
        return Number.isNaN(at) ? undefined : at;
      };
      return {
        pushedAt: pushedAt[number] as number,
        lastPulledAt: time(lastPulledAt),
        taggedAt: time(taggedAt),
        archivedAt: time(archivedAt),
        activatedAt: time(activatedAt),
      };
    },
    parents,
    children,
  };
}

/** For each number, the others that stand beside it in two columns; rows of -1 are left out. */
export interface Links {
  of(number: number): Int32Array;
}

export function createLinks(size: number, from: ArrayLike<number>, to: ArrayLike<number>): Links {
  const starts = new Int32Array(size + 1);
  for (let row = 0; row < from.length; row++) {
    if ((from[row] as number) >= 0 && (to[row] as number) >= 0) (starts[(from[row] as number) + 1] as number)++;
  }
  for (let number = 0; number < size; number++) (starts[number + 1] as number) += starts[number] as number;
  const next = starts.slice(0, size);
  const targets = new Int32Array(starts[size] as number);
  for (let row = 0; row < from.length; row++) {
    const [one, other] = [from[row] as number, to[row] as number];
    if (one < 0 || other < 0) continue;
    targets[next[one] as number] = other;
    (next[one] as number)++;
  }
  return { of: (number) => targets.subarray(starts[number], starts[number + 1]) };
}
