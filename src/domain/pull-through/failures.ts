import { Refusal, refuse } from "../errors.ts";
import { RemoteFailure } from "../registry/remote-registry.ts";
import type { PullThroughRule } from "./rules.ts";

/** What an upstream's failure is to whoever asked for an image, and has nothing cached to be content with. */
export function refusalOf({ upstreamUrl: upstream }: PullThroughRule, failure: RemoteFailure): Refusal {
  const facts = { upstream, reason: failure.detail };
  switch (failure.problem) {
    case "denied":
      return refuse("UpstreamAccessDenied", facts, { cause: failure });
    case "throttled": {
      const { retryAfterMs = 60_000 } = failure.facts;
      return refuse("UpstreamTooManyRequests", { ...facts, retryAfterMs }, { cause: failure });
    }
    default:
      return refuse("UpstreamUnavailable", facts, { cause: failure });
  }
}

/** The cause of a refusal of an upstream. */
export function reasonOf(error: unknown): { upstream: string; reason: string } | undefined {
  if (!(error instanceof Refusal)) return undefined;
  for (const code of [
    "UpstreamAccessDenied",
    "UpstreamTooManyRequests",
    "UpstreamUnavailable",
    "UnableToGetUpstreamImage",
  ] as const) {
    if (error.is(code)) return { upstream: error.facts.upstream, reason: error.facts.reason };
  }
  return undefined;
}

/** What an upstream did, or sent, that led to this; `undefined` for what is not its doing. */
export function failureOf(error: unknown): RemoteFailure | undefined {
  if (error instanceof RemoteFailure) return error;
  if (error instanceof Error && error.name === "TimeoutError") {
    return new RemoteFailure("unavailable", "it did not answer in time", { cause: error });
  }
  if (!(error instanceof Refusal)) return undefined;
  // The upload that it was stored by says only that the bytes ended.
  if (error.is("UploadInterrupted")) return failureOf(error.cause);
  for (const code of ["ManifestInvalid", "ManifestTooLarge", "ImageDigestMismatch", "LayerDigestMismatch"] as const) {
    if (error.is(code)) return new RemoteFailure("nonsense", saidOf[code], { cause: error });
  }
  return undefined;
}

const saidOf = {
  ManifestInvalid: "what it has is no manifest that can be kept",
  ManifestTooLarge: "its manifest is too large",
  ImageDigestMismatch: "its manifest is not what the digest says",
  LayerDigestMismatch: "its blob is not what the digest says",
};
