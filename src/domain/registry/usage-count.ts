import type { ImageStatus } from "./ports.ts";
import { figureNames, type UsageArea, type UsageEntry, type UsageFigures } from "./usage-ports.ts";

/** Sums by area. Pure: docs/usage.md in code. */
export interface Tally {
  /** How many areas have something. */
  readonly size: number;
  add(area: UsageArea, figures: Partial<UsageFigures>): void;
  /** All that was added since the last time. */
  take(): UsageEntry[];
}

export const everything: UsageArea = { account: "", region: "", repository: "" };

export const noFigures = Object.fromEntries(figureNames.map((name) => [name, 0])) as unknown as UsageFigures;

export function plus(figures: UsageFigures, more: Partial<UsageFigures>): UsageFigures {
  return Object.fromEntries(
    figureNames.map((name) => [name, figures[name] + (more[name] ?? 0)]),
  ) as unknown as UsageFigures;
}

export function createTally(): Tally {
  type Sums = { -readonly [Name in keyof UsageFigures]: number };
  const sums = new Map<string, { area: UsageArea; figures: Sums }>();
  return {
    get size() {
      return sums.size;
    },
    add(area, figures) {
      const key = keyOf(area);
      let sum = sums.get(key);
      if (!sum) {
        sum = { area, figures: { ...noFigures } };
        sums.set(key, sum);
      }
      for (const name of Object.keys(figures) as (keyof UsageFigures)[]) sum.figures[name] += figures[name] ?? 0;
    },
    take() {
      const taken = [...sums.values()];
      sums.clear();
      return taken;
    },
  };
}

const keyOf = ({ account, region, repository }: UsageArea) => `${account} ${region} ${repository}`;

/** What holds the area's repository: its registry, its account and everything. */
export function above({ account, region }: UsageArea): UsageArea[] {
  return [{ account, region, repository: "" }, { account, region: "", repository: "" }, everything];
}

export function addToAll(tally: Tally, area: UsageArea, figures: Partial<UsageFigures>): void {
  for (const each of [area, ...above(area)]) tally.add(each, figures);
}

export function figuresOfImage(image: { status: ImageStatus; isTagged: boolean; manifestBytes: number }) {
  const { status, isTagged, manifestBytes } = image;
  const isArchived = status === "ARCHIVED";
  return {
    images: 1,
    taggedImages: isTagged ? 1 : 0,
    archivedImages: isArchived ? 1 : 0,
    manifestBytes,
    archivedManifestBytes: isArchived ? manifestBytes : 0,
  };
}

/** A repository's link to a blob. */
export interface CountedLink {
  /** `undefined` for a repository that was deleted. */
  readonly area: UsageArea | undefined;
  /** `undefined` where no image of the repository refers to the blob. */
  readonly status: ImageStatus | undefined;
}

/**
 * A blob, with all of its links. Each area that has links to it counts it once: as stored where an image there needs it, else
 * as waiting for garbage collection.
 */
export function countBlob(tally: Tally, sizeBytes: number, links: readonly CountedLink[]): void {
  const holders = new Map<string, { area: UsageArea; links: CountedLink[] }>();
  for (const link of links) {
    for (const area of link.area ? [link.area, ...above(link.area)] : [everything]) {
      const key = keyOf(area);
      const holder = holders.get(key);
      if (holder) holder.links.push(link);
      else holders.set(key, { area, links: [link] });
    }
  }
  const usersIn = (area: UsageArea) => {
    const all = holders.get(keyOf(area))?.links ?? [];
    return all.filter((link) => link.area && link.status !== undefined);
  };
  for (const { area } of holders.values()) {
    const users = usersIn(area);
    // A repository shares with those of its registry: of others it learns nothing, and its registry pays for each once.
    const sharers = area.repository === "" ? users : usersIn({ ...area, repository: "" });
    const facts = { isShared: sharers.length > 1, isArchived: users.every(({ status }) => status === "ARCHIVED") };
    tally.add(area, figuresOfLayer(sizeBytes, users.length, facts));
  }
}

/** @param users how many repositories of the area need it */
export function figuresOfLayer(
  sizeBytes: number,
  users: number,
  { isShared, isArchived }: { isShared: boolean; isArchived: boolean },
): Partial<UsageFigures> {
  if (users === 0) return { waitingBytes: sizeBytes };
  return {
    layers: 1,
    layerBytes: sizeBytes,
    uniqueBytes: isShared ? 0 : sizeBytes,
    archivedBytes: isArchived ? sizeBytes : 0,
    logicalBytes: sizeBytes * users,
  };
}
