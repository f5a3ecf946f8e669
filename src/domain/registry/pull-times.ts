import type { Metadata } from "./ports.ts";

/**
 * When images were last pulled. ECR promises a time that is at most a day old (ECR API reference, ImageDetail), so a
 * pull only notes it in memory and a batch is written now and then: no pull ever waits for a write.
 */
export interface PullTimes {
  note(imageId: number): void;
  /** Writes what was noted since. */
  flush(): Promise<void>;
}

/** Images in one batch. Further ones wait for the next pull after the flush; ECR's promise leaves room for that. */
const maxNoted = 10_000;

export function createPullTimes({ metadata, clock }: { metadata: Metadata; clock: () => Date }): PullTimes {
  let noted = new Map<number, Date>();
  return {
    note(imageId) {
      if (noted.size < maxNoted || noted.has(imageId)) noted.set(imageId, clock());
    },
    async flush() {
      if (noted.size === 0) return;
      const batch = noted;
      noted = new Map();
      await metadata.transact(({ images }) => images.pulled(batch), { durable: false });
    },
  };
}
