import type { Principal } from "./access.ts";
import { refuse } from "./errors.ts";
import type { Region } from "./names.ts";

/** A bucket of `burst` tokens that fills with `perSecond`; a call takes one. */
export interface Rate {
  readonly perSecond: number;
  /** At least 1. */
  readonly burst: number;
}

/**
 * Calls per second that ECR grants an account in a region by default (ECR user guide, "Amazon ECR service quotas"). ECR
 * does not publish the rates of its other operations, so these are not limited.
 */
export const ecrQuotas = {
  GetAuthorizationToken: 500,
  BatchCheckLayerAvailability: 1000,
  BatchGetImage: 2000,
  GetDownloadUrlForLayer: 3000,
  InitiateLayerUpload: 100,
  UploadLayerPart: 500,
  CompleteLayerUpload: 100,
  PutImage: 10,
} as const;

export const ecrRates: Readonly<Record<string, Rate>> = Object.fromEntries(
  Object.entries(ecrQuotas).map(([operation, perSecond]) => [operation, { perSecond, burst: perSecond }]),
);

/** The name of the rate of every operation that has none of its own. */
export const everyOther = "*";

export interface Rates {
  /**
   * Counts one call of each operation, or of none.
   * @throws RateExceeded saying after how many milliseconds it is worth trying again
   */
  take(principal: Principal, region: Region, operations: readonly string[]): void;
}

export interface RatesParts {
  /** By the operation's AWS name, or `everyOther`. An operation without one is not limited. */
  readonly limits: Readonly<Record<string, Rate>>;
  /** Who shares a bucket. ECR counts accounts. */
  readonly per: "account" | "principal";
  readonly clock: () => Date;
  /** Beyond so many, whoever was not heard of for longest begins anew. */
  readonly maxBuckets?: number;
}

/** What adding up fractions of tokens may be wrong by. */
const rounding = 1e-6;

interface Bucket {
  tokens: number;
  readonly rate: Rate;
  /** Milliseconds since 1970 at which `tokens` was right. */
  at: number;
}

/** Request rates, counted in the memory of one process: several processes that share a port grant each its own. */
export function createRates({ limits, per, clock, maxBuckets = 10_000 }: RatesParts): Rates {
  const limitOf = new Map(Object.entries(limits));
  /** Least recently used first. */
  const buckets = new Map<string, Bucket>();

  function bucketOf(key: string, rate: Rate, now: number): Bucket {
    const known = buckets.get(key);
    buckets.delete(key); // and back in as the newest
    const bucket = known ?? { tokens: rate.burst, rate, at: now };
    fill(bucket, now);
    buckets.set(key, bucket);
    return bucket;
  }

  /** A full bucket is as good as none. Each call looks at a few, so that they go faster than they come. */
  function dropIdle(now: number, atMost: number): void {
    let looked = 0;
    for (const [key, bucket] of buckets) {
      if (looked++ === atMost) break;
      fill(bucket, now);
      if (bucket.tokens >= bucket.rate.burst || buckets.size > maxBuckets) buckets.delete(key);
    }
  }

  return {
    take({ account, arn }, region, operations) {
      const now = clock().getTime();
      dropIdle(now, operations.length + 1);
      const taken: Bucket[] = [];
      for (const operation of operations) {
        const rate = limitOf.get(operation) ?? limitOf.get(everyOther);
        if (!rate) continue;
        const bucket = bucketOf(`${per === "account" ? account : arn} ${region} ${operation}`, rate, now);
        const missing = 1 - bucket.tokens;
        if (missing > rounding) {
          throw refuse("RateExceeded", { retryAfterMs: Math.ceil((missing / rate.perSecond) * 1000 - rounding) });
        }
        taken.push(bucket);
      }
      for (const bucket of taken) bucket.tokens -= 1;
    },
  };
}

/** A clock that was set back adds nothing, and takes nothing away. */
function fill(bucket: Bucket, now: number): void {
  const { rate, tokens, at } = bucket;
  bucket.tokens = Math.min(rate.burst, tokens + (Math.max(0, now - at) / 1000) * rate.perSecond);
  bucket.at = now;
}
