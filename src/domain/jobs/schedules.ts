import { boundedJson, checkKey, type JobKind } from "./kinds.ts";
import type { JobMetadata, JobNouns } from "./ports.ts";
import { nextSlot } from "./timing.ts";

const shortestEveryMs = 1_000;
const dueAtOnce = 100;

export interface ScheduleOptions {
  readonly everyMs: number;
  readonly now: Date;
  /** Names the schedule among those of its kind, and the jobs that it puts into the queue. */
  readonly key?: string;
  /** When it is due first. Left out: at its place in the interval, so within one interval from now. */
  readonly firstAt?: Date;
}

/**
 * Has a job put into the queue every `everyMs`, however many processes run and however often they start. Saying it again
 * changes nothing but the payload and the interval; so whoever wants a schedule to be there says so at every start, or in the
 * transaction that makes what the schedule is for.
 */
export async function schedule<Payload>(
  { schedules }: Pick<JobNouns, "schedules">,
  { name: kind, maxAttempts }: JobKind<Payload>,
  payload: Payload,
  { everyMs, now, key = "", firstAt }: ScheduleOptions,
): Promise<void> {
  checkKey(key);
  if (!Number.isSafeInteger(everyMs) || everyMs < shortestEveryMs) {
    throw new RangeError("a schedule has an interval of a second at least");
  }
  await schedules.put({
    kind,
    key,
    payload: boundedJson("the payload of a schedule", payload),
    maxAttempts,
    everyMs,
    nextAt: firstAt ?? nextSlot({ kind, key, everyMs }, now),
    setAt: now,
  });
}

/** Ends it. A job that is in the queue already stays there. Answers whether there was one. */
export function unschedule(
  { schedules }: Pick<JobNouns, "schedules">,
  { name }: Pick<JobKind<unknown>, "name">,
  key = "",
): Promise<boolean> {
  return schedules.delete(name, key);
}

/**
 * Puts the jobs of due schedules into the queue, a batch of them. The job and the schedule's next time commit together, so
 * of many processes one does it, and one that was missed while nobody ran is done once.
 */
export function runSchedules(metadata: JobMetadata, clock: () => Date): Promise<number> {
  return metadata.transact(
    async ({ jobs, schedules }) => {
      const now = clock();
      const due = await schedules.due(now, dueAtOnce);
      for (const { kind, key, payload, maxAttempts, everyMs } of due) {
        await jobs.enqueue({ kind, key, payload, maxAttempts, runAt: now }, now);
        await schedules.advance({ kind, key, nextAt: nextSlot({ kind, key, everyMs }, now), lastAt: now, setAt: now });
      }
      return due.length;
    },
    { durable: false },
  );
}

/** What a clock put too far away that was ahead of time: the schedule gets its place in the interval that begins now. */
export function realignSchedules(metadata: JobMetadata, now: Date, toleranceMs: number): Promise<number> {
  return metadata.transact(
    async ({ schedules }) => {
      const ahead = await schedules.setAfter(new Date(now.getTime() + toleranceMs), dueAtOnce);
      for (const { kind, key, everyMs, lastAt } of ahead) {
        const ranAt = lastAt && lastAt > now ? now : lastAt;
        await schedules.advance({
          kind,
          key,
          nextAt: nextSlot({ kind, key, everyMs }, now),
          lastAt: ranAt,
          setAt: now,
        });
      }
      return ahead.length;
    },
    { durable: false },
  );
}
