import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Digest, RepositoryName } from "../names.ts";
import { othersTurn } from "../turns.ts";
import type { Metadata, Nouns, Page, Repository } from "./ports.ts";
import { existing } from "./repositories.ts";
import { everything, figuresOfImage, figuresOfLayer, noFigures, plus } from "./usage-count.ts";
import type { DayOfUsage, SizeKey, UsageArea, UsageEntry, UsageFigures, UsageRun } from "./usage-ports.ts";

/**
 * How good figures are: `EXACT` as of now; `MEASURED` by the newest measurement; `LOWER_BOUND` where there is none, and
 * counting was given up.
 */
export type UsageAccuracy = "EXACT" | "MEASURED" | "LOWER_BOUND";

export interface RepositoryUsage {
  readonly figures: UsageFigures;
  readonly accuracy: UsageAccuracy;
  readonly measuredAt: Date;
}

/** A place in a list by size. */
export interface UsagePlace extends SizeKey {
  readonly run: number;
}

export interface UsagePage {
  /** The measurement that the list is from. `undefined` before the first one. */
  readonly run: UsageRun | undefined;
  readonly entries: readonly (UsageEntry & { readonly place: UsagePlace })[];
}

/** What storage is used for. Each method acts in the registry that the grant is for. */
export interface UsageService {
  /** Counts now, as far as that is little work. @throws RepositoryNotFound */
  ofRepository(granted: Granted, name: RepositoryName): Promise<RepositoryUsage>;
  /** Repositories by size, largest first, as measured. */
  list(granted: Granted, page: Page<UsagePlace>): Promise<UsagePage>;
  /** Of the registry, and of its account in all regions. `undefined` before the first measurement. */
  totals(granted: Granted): Promise<{ run: UsageRun; registry: UsageFigures; account: UsageFigures } | undefined>;
  /**
   * Of a repository, also one that is gone, or of the registry: newest day first.
   * @throws RepositoryNotFound where there is no such repository, and no day either
   */
  history(granted: Granted, name: RepositoryName | undefined, page: Page<string>): Promise<DayOfUsage[]>;
}

export interface UsageParts {
  readonly metadata: Pick<Metadata, "read">;
  readonly clock: () => Date;
  /** How many layers, and how many images, are counted while somebody waits. Left out: 10,000. */
  readonly most?: number;
}

const pageSize = 250;

export function createUsage({ metadata, clock, most = 10_000 }: UsageParts): UsageService {
  const { usage, repositories } = metadata.read;

  const areaOf = ({ registry }: Granted, repository: RepositoryName | "" = ""): UsageArea => ({
    ...registry,
    repository,
  });

  return {
    async ofRepository(granted, name) {
      const repository = await existing(repositories, granted.registry, name);
      const measuredAt = clock();
      const { figures, isWhole } = await count(metadata.read, repository, most);
      if (isWhole) return { figures, accuracy: "EXACT", measuredAt };
      const run = await usage.newest();
      const measured = run && (await usage.entry(run.id, areaOf(granted, name)));
      // One that was measured before it was made anew is another one.
      if (!run || !measured || run.finishedAt < repository.createdAt)
        return { figures, accuracy: "LOWER_BOUND", measuredAt };
      return { figures: measured, accuracy: "MEASURED", measuredAt: run.finishedAt };
    },

    async list({ registry }, { after, limit }) {
      const run = await usage.newest();
      if (!run) return { run, entries: [] };
      // Behind a place in an older list the newest one goes on, by size.
      const entries = await usage.list(run.id, registry, { after, limit });
      return {
        run,
        entries: entries.map((entry) => {
          const { area, figures } = entry;
          const place = { layerBytes: figures.layerBytes, repository: area.repository as RepositoryName, run: run.id };
          return { ...entry, place };
        }),
      };
    },

    async totals({ registry }) {
      const run = await usage.newest();
      if (!run) return undefined;
      const of = async (area: UsageArea) => (await usage.entry(run.id, area)) ?? noFigures;
      const { account, region } = registry;
      return {
        run,
        registry: await of({ account, region, repository: "" }),
        account: await of({ account, region: "", repository: "" }),
      };
    },

    async history(granted, name, page) {
      const days = await usage.history(areaOf(granted, name), page);
      if (days.length > 0 || page.after !== undefined || name === undefined) return days;
      if (!(await repositories.find(granted.registry, name))) {
        throw refuse("RepositoryNotFound", { repository: name, registry: granted.registry });
      }
      return days;
    },
  };
}

async function count({ usage }: Nouns, { id, registry }: Repository, most: number) {
  let figures: UsageFigures = { ...noFigures, repositories: 1 };
  let isWhole = true;
  const layers = each(
    (page) => usage.liveLinks(registry, id, page),
    ({ sizeBytes, status, isShared }) => {
      // Where it cannot be told, too many have it for that to be likely.
      if (isShared === undefined && status !== undefined) isWhole = false;
      const facts = { isShared: isShared !== false, isArchived: status === "ARCHIVED" };
      figures = plus(figures, figuresOfLayer(sizeBytes, status === undefined ? 0 : 1, facts));
    },
  );
  if (!(await layers)) isWhole = false;
  const images = each(
    (page) => usage.liveImages(id, page),
    (image) => {
      figures = plus(figures, figuresOfImage(image));
    },
  );
  if (!(await images)) isWhole = false;
  return { figures, isWhole };

  /** Answers whether there was an end to it. */
  async function each<Item extends { readonly digest: Digest }>(
    read: (page: Page<Digest>) => Promise<Item[]>,
    add: (item: Item) => void,
  ): Promise<boolean> {
    let after: Digest | undefined;
    for (let seen = 0; seen < most; ) {
      const page = await read({ after, limit: Math.min(pageSize, most - seen + 1) });
      for (const item of page) add(item);
      seen += page.length;
      if (seen > most) return false;
      after = page.at(-1)?.digest;
      if (page.length < pageSize) return true;
      await othersTurn();
    }
    return false;
  }
}

/** For metrics: the newest measurement, with totals, and the largest repositories. */
export interface UsageOverview {
  readonly run: UsageRun;
  readonly total: UsageFigures;
  readonly registries: readonly UsageEntry[];
  readonly repositories: readonly UsageEntry[];
}

const mostAreas = 300;

/** @param top how many repositories */
export async function usageOverview({ read: { usage } }: UsageParts["metadata"], top: number, knownRun?: number) {
  const run = await usage.newest();
  if (!run || run.id === knownRun) return undefined;
  const areas = await usage.areas(run.id, mostAreas);
  const registries = areas.filter(({ area }) => area.region !== "");
  let repositories: UsageEntry[] = [];
  if (top > 0) {
    for (const { area } of registries) {
      const registry = { account: area.account, region: area.region } as Repository["registry"];
      const found = await usage.list(run.id, registry, { limit: top });
      repositories = [...repositories, ...found]
        .sort((a, b) => b.figures.layerBytes - a.figures.layerBytes)
        .slice(0, top);
    }
  }
  const total = (await usage.entry(run.id, everything)) ?? noFigures;
  return { run, total, registries, repositories } satisfies UsageOverview;
}
