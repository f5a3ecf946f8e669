import type { Granted, Principal } from "../access.ts";
import { createFresh } from "../fresh.ts";
import type { AccountId, Region, Registry } from "../names.ts";
import type { Metadata } from "./ports.ts";

/**
 * When images were last pulled. ECR promises a time that is at most a day old (ECR API reference, ImageDetail), so a
 * pull only notes it in memory and a batch is written now and then: no pull ever waits for a write.
 */
export interface PullTimes {
  /** Passes over whoever the registry excludes: their pulls leave no trace in images. */
  note(granted: Granted, imageId: number): Promise<void>;
  /** Exclusions have changed: the next pull asks for them. */
  forget(registry: Registry): void;
  /** Writes what was noted since. */
  flush(): Promise<void>;
}

/** Images in one batch. Further ones wait for the next pull after the flush; ECR's promise leaves room for that. */
const maxNoted = 10_000;
const maxRegistries = 1000;
/** ECR's quota (ECR user guide, "Pull-time update exclusions"). */
export const maxExclusions = 100;

export function createPullTimes({ metadata, clock }: { metadata: Metadata; clock: () => Date }): PullTimes {
  let noted = new Map<number, Date>();
  const excluded = createFresh<ReadonlySet<string>>({
    async read(key) {
      const [account, region] = key.split("/") as [AccountId, Region];
      return new Set(await metadata.read.pullTimeExclusions.list({ account, region }, { limit: maxExclusions }));
    },
    maxEntries: maxRegistries,
  });
  const keyOf = ({ account, region }: Registry) => `${account}/${region}`;

  return {
    async note({ registry, caller }, imageId) {
      const arns = await excluded.get(keyOf(registry));
      if (arns.size > 0 && arns.has(arnOf(caller.principal))) return;
      if (noted.size < maxNoted || noted.has(imageId)) noted.set(imageId, clock());
    },
    forget: (registry) => excluded.forget(keyOf(registry)),
    async flush() {
      if (noted.size === 0) return;
      const batch = noted;
      noted = new Map();
      await metadata.transact(({ images }) => images.pulled(batch), { durable: false });
    },
  };
}

/** A role's sessions pull in the name of the role. */
function arnOf({ arn, identityArn }: Principal): string {
  return identityArn ?? arn;
}
