import type { JobNouns } from "./ports.ts";

type Metadata<Nouns extends JobNouns> = {
  transact<Result>(work: (nouns: Nouns) => Promise<Result>, options?: { readonly durable?: boolean }): Promise<Result>;
};

/**
 * The same metadata, and `nudge` is called behind each transaction that has put a job into the queue, so that a worker in
 * this process need not wait until it looks by itself.
 */
export function nudging<Nouns extends JobNouns, Given extends Metadata<Nouns>>(
  metadata: Given & Metadata<Nouns>,
  nudge: () => void,
): Given {
  return {
    ...metadata,
    async transact<Result>(work: (nouns: Nouns) => Promise<Result>, options?: { readonly durable?: boolean }) {
      let hasEnqueued = false;
      const result = await metadata.transact((nouns) => {
        hasEnqueued = false;
        const { jobs } = nouns;
        const enqueue: typeof jobs.enqueue = (...args) => {
          hasEnqueued = true;
          return jobs.enqueue(...args);
        };
        return work({ ...nouns, jobs: { ...jobs, enqueue } });
      }, options);
      if (hasEnqueued) nudge();
      return result;
    },
  };
}
