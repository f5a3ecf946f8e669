import { createHash } from "node:crypto";

/** When things are done. Pure. */

const firstBackOffMs = 5_000;
const longestBackOffMs = 60 * 60_000;
const longestWishMs = 24 * 60 * 60_000;

/**
 * How long a job waits after its attempt number `attempt` has failed: about twice as long each time. The random half keeps
 * apart what failed together.
 * @param random from 0 to 1
 * @param wishMs what whoever refused the attempt asked to wait, a `Retry-After` for one
 */
export function backOffMs(attempt: number, random: number, wishMs = 0): number {
  const whole = Math.min(longestBackOffMs, firstBackOffMs * 2 ** Math.min(attempt - 1, 30));
  return Math.max(Math.round(whole * (0.5 + random / 2)), Math.min(wishMs, longestWishMs));
}

/**
 * The first time behind `now` at which the schedule is due. Each schedule has its own place in the interval, the same one
 * forever, so that a thousand of them are not due at once, and one that was missed is done once and not as often as it was
 * missed.
 */
export function nextSlot({ kind, key, everyMs }: { kind: string; key: string; everyMs: number }, now: Date): Date {
  const place = placeOf(`${kind}/${key}`) % everyMs;
  return new Date((Math.floor((now.getTime() - place) / everyMs) + 1) * everyMs + place);
}

/** 48 bits, which a number holds. */
function placeOf(name: string): number {
  return createHash("sha256").update(name).digest().readUIntBE(0, 6);
}
