import { RemoteFailure } from "../registry/remote-registry.ts";
import type { PullThroughRule } from "./rules.ts";

/** How upstreams stand with us: whether one wants to be left alone, and what it did not have a moment ago. */
export interface Standing {
  /** @throws RemoteFailure as long as the upstream wants no requests */
  checkOpen(rule: PullThroughRule): void;
  /** Whether it failed a moment ago: whoever has a cached copy need not ask. */
  isDown(rule: PullThroughRule): boolean;
  failed(rule: PullThroughRule, failure: RemoteFailure): void;
  answered(rule: PullThroughRule): void;
  /** Whether the upstream did not have it a moment ago. `what` names registry, repository and reference. */
  isAbsent(what: string): boolean;
  absent(what: string): void;
}

/** Where the upstream does not say how long. */
const throttledMs = 60_000;
const [leastMs, mostMs] = [1_000, 15 * 60_000];
const downMs = 10_000;
const absentMs = 60_000;
const maxAbsences = 10_000;
const maxRules = 1_000;

export function createStanding(clock: () => Date): Standing {
  const throttled = createUntil(maxRules, clock);
  const down = createUntil(maxRules, clock);
  const absences = createUntil(maxAbsences, clock);
  return {
    checkOpen(rule) {
      const retryAfterMs = throttled.leftMs(nameOf(rule));
      if (retryAfterMs > 0) throw new RemoteFailure("throttled", "it said to wait", { retryAfterMs });
    },
    isDown: (rule) => throttled.leftMs(nameOf(rule)) > 0 || down.leftMs(nameOf(rule)) > 0,
    failed(rule, { problem, facts: { retryAfterMs = throttledMs } }) {
      // Our own refusals come here too: each would begin the wait anew, and one that is busy would never ask again.
      if (problem === "throttled" && throttled.leftMs(nameOf(rule)) <= 0) {
        throttled.set(nameOf(rule), Math.min(mostMs, Math.max(leastMs, retryAfterMs)));
      }
      if (problem === "unavailable") down.set(nameOf(rule), downMs);
    },
    answered: (rule) => down.forget(nameOf(rule)),
    isAbsent: (what) => absences.leftMs(what) > 0,
    absent: (what) => absences.set(what, absentMs),
  };
}

/** Other credentials are another customer of the upstream. */
function nameOf({ registry: { account, region }, prefix, upstreamUrl, credentialArn = "" }: PullThroughRule): string {
  return [account, region, prefix, upstreamUrl, credentialArn].join(" ");
}

/** Moments that come, for at most so many names; those that were set first are forgotten first. */
function createUntil(maxEntries: number, clock: () => Date) {
  const until = new Map<string, number>();
  return {
    leftMs: (name: string) => (until.get(name) ?? 0) - clock().getTime(),
    set(name: string, ms: number) {
      until.delete(name);
      until.set(name, clock().getTime() + ms);
      if (until.size > maxEntries) until.delete(until.keys().next().value ?? "");
    },
    forget: (name: string) => until.delete(name),
  };
}
