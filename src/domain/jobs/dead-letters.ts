import type { JobId, JobMetadata } from "./ports.ts";

/** What an operator does with jobs that have failed for the last time. Safe beside workers, and to repeat. */

const atOnce = 100;

export type Care = "retry" | "discard";

/** Answers those that there was nothing to do with. */
export async function careFor(
  metadata: JobMetadata,
  care: Care,
  ids: readonly JobId[],
  now: Date,
): Promise<{ readonly done: JobId[]; readonly not: JobId[] }> {
  const done: JobId[] = [];
  const not: JobId[] = [];
  for (let at = 0; at < ids.length; at += atOnce) {
    const batch = ids.slice(at, at + atOnce);
    const found = await metadata.transact(async ({ jobs }) => {
      const answers: boolean[] = [];
      for (const id of batch) answers.push(await (care === "retry" ? jobs.retry(id, now) : jobs.discard(id)));
      return answers;
    });
    for (const [index, id] of batch.entries()) (found[index] ? done : not).push(id);
  }
  return { done, not };
}

/** All that are dead now, or those of one kind. Answers how many. */
export async function careForAll(
  metadata: JobMetadata,
  care: Care,
  { kind, now, progress }: { readonly kind?: string; readonly now: Date; progress?(done: number): void },
): Promise<number> {
  let done = 0;
  for (let after: { kind: string; runAt: Date; id: JobId } | undefined; ; ) {
    const dead = await metadata.read.jobs.list({ state: "dead", kind }, { after, limit: atOnce });
    // What is retried and dies again at once must not be met forever.
    const before = dead.filter(({ runAt }) => runAt <= now);
    const found = await careFor(
      metadata,
      care,
      before.map(({ id }) => id),
      now,
    );
    done += found.done.length;
    progress?.(done);
    after = dead.at(-1);
    if (!after || dead.length < atOnce) return done;
  }
}
