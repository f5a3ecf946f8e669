import type { JobId, JobNouns } from "./ports.ts";

/** A kind of work: who enqueues it and who runs it both name it by this. */
export interface JobKind<Payload> {
  readonly name: string;
  /** How often it is begun before it is a dead letter. */
  readonly maxAttempts: number;
  /** Never there: for types alone. */
  readonly payload?: Payload;
}

export const maxPayloadBytes = 64 * 1024;
export const maxKeyLength = 512;
const defaultMaxAttempts = 8;
const kindName = /^[a-z][a-z0-9-]{0,30}(?:\.[a-z][a-z0-9-]{0,30})?$/;

/** @param name what it does to what, such as `lifecycle.evaluate` */
export function jobKind<Payload>(
  name: string,
  { maxAttempts = defaultMaxAttempts }: { readonly maxAttempts?: number } = {},
): JobKind<Payload> {
  if (!kindName.test(name)) throw new RangeError(`'${name}' cannot be the name of a kind of jobs`);
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) throw new RangeError("a job has one attempt at least");
  return { name, maxAttempts };
}

export interface EnqueueOptions {
  /** Among the jobs of the kind that wait or run there is one with this key at the most. It must stand for the payload. */
  readonly key?: string;
  readonly now: Date;
  /** Not before. Left out: at once. */
  readonly runAt?: Date;
}

/**
 * Puts a job into the queue, in the caller's transaction: the job is there when what the transaction changes is, and what
 * runs it sees that change. The job may run more than once.
 */
export function enqueue<Payload>(
  { jobs }: Pick<JobNouns, "jobs">,
  { name: kind, maxAttempts }: JobKind<Payload>,
  payload: Payload,
  { key, now, runAt = now }: EnqueueOptions,
): Promise<{ readonly id: JobId; readonly isNew: boolean }> {
  checkKey(key);
  return jobs.enqueue({ kind, payload: boundedJson("the payload of a job", payload), key, runAt, maxAttempts }, now);
}

export function checkKey(key: string | undefined): void {
  if (key !== undefined && key.length > maxKeyLength)
    throw new RangeError(`a key has ${maxKeyLength} characters at most`);
}

/** Jobs name what they work on and do not carry it. */
export function boundedJson(what: string, value: unknown): string {
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) throw new TypeError(`${what} must be JSON`);
  if (Buffer.byteLength(json) > maxPayloadBytes) throw new RangeError(`${what} has ${maxPayloadBytes} bytes at most`);
  return json;
}
