import { setTimeout as sleep } from "node:timers/promises";
import { RemoteFailure } from "../../domain/registry/remote-registry.ts";
import { CopyFailed } from "./problems.ts";

const attempts = 6;
const firstWaitMs = 250;
const longestWaitMs = 30_000;
/** What a registry may ask us to wait. */
const longestAskedMs = 300_000;

export interface Retrying {
  readonly signal: AbortSignal;
  /** Told before each wait. */
  readonly again?: (why: string, waitMs: number) => void;
}

/** What may pass is tried again, later each time; what came spoilt is asked for once more. */
export async function withRetries<Result>(run: () => Promise<Result>, { signal, again }: Retrying): Promise<Result> {
  let spoilt = 0;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await run();
    } catch (error) {
      const isSpoilt = error instanceof CopyFailed && error.why === "broken";
      if (signal.aborted || attempt === attempts || (isSpoilt ? ++spoilt > 1 : !mayPass(error))) throw error;
      const waitMs = waitOf(error, attempt);
      again?.((error as Error).message, waitMs);
      await sleep(waitMs, undefined, { signal });
    }
  }
}

function mayPass(error: unknown): boolean {
  return error instanceof RemoteFailure && (error.problem === "unavailable" || error.problem === "throttled");
}

function waitOf(error: unknown, attempt: number): number {
  const asked = error instanceof RemoteFailure ? error.facts.retryAfterMs : undefined;
  if (asked !== undefined) return Math.min(asked, longestAskedMs);
  // Half of it by chance, so that many transfers that failed together do not come back together.
  return Math.min(longestWaitMs, firstWaitMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}
