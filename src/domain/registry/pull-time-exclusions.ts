import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Arn } from "../names.ts";
import type { Metadata, Page } from "./ports.ts";
import { maxExclusions, type PullTimes } from "./pull-times.ts";

/** Users and roles whose pulls are not recorded, such as scanners. Each method acts in the registry of the grant. */
export interface PullTimeExclusionService {
  /** Answers since when. @throws ExclusionAlreadyExists, LimitExceeded */
  register(granted: Granted, principal: Arn): Promise<Date>;
  /** @throws ExclusionNotFound */
  deregister(granted: Granted, principal: Arn): Promise<void>;
  list(granted: Granted, page: Page<string>): Promise<Arn[]>;
}

export interface PullTimeExclusionParts {
  readonly metadata: Metadata;
  /** Told of each change. */
  readonly pullTimes: Pick<PullTimes, "forget">;
  readonly clock: () => Date;
}

export function createPullTimeExclusions({
  metadata,
  pullTimes,
  clock,
}: PullTimeExclusionParts): PullTimeExclusionService {
  return {
    async register({ registry }, principal) {
      const at = clock();
      await metadata.transact(async ({ pullTimeExclusions }) => {
        const isFull = (await pullTimeExclusions.count(registry)) >= maxExclusions;
        if (!(await pullTimeExclusions.add(registry, principal, at))) throw refuse("ExclusionAlreadyExists");
        if (isFull) {
          const reason = `A registry can have at most ${maxExclusions} pull time update exclusions`;
          throw refuse("LimitExceeded", { reason });
        }
      });
      pullTimes.forget(registry);
      return at;
    },
    async deregister({ registry }, principal) {
      const wasThere = await metadata.transact(({ pullTimeExclusions }) =>
        pullTimeExclusions.remove(registry, principal),
      );
      if (!wasThere) throw refuse("ExclusionNotFound");
      pullTimes.forget(registry);
    },
    list: ({ registry }, page) => metadata.read.pullTimeExclusions.list(registry, page),
  };
}
