import type { Digest } from "../names.ts";
import { policyLimits } from "./policy.ts";
import { compileSelection } from "./selection.ts";
import type {
  AgeMeasure,
  Hold,
  LifecycleImage,
  LifecycleOptions,
  LifecyclePolicy,
  LifecycleRule,
  RetainRule,
} from "./types.ts";

export const dayMs = 24 * 60 * 60 * 1000;

/** The times of an image. Rules count from one or the other. */
export type Times = Pick<LifecycleImage, "pushedAt" | "lastPulledAt" | "taggedAt" | "archivedAt" | "activatedAt">;

/** What the rules make of one image, looked at alone. */
export interface Reading {
  /** By which images are ordered. */
  readonly orderedBy: number;
  /** The rules that select it: bit n is rule n, of the first 32 and of the rest. */
  readonly rules: number;
  readonly moreRules: number;
  /** The same for retain rules that count: they need its position. */
  readonly countingRetains: number;
  /** The first retain rule that keeps it whatever its position, or -1. */
  readonly retainedBy: number;
  /** What it follows, as its manifest or its tags say; it may not be there. */
  readonly subject: Digest | undefined;
}

/** Policy and options, made ready for looking at images one by one. */
export interface Rulebook {
  readonly rules: readonly LifecycleRule[];
  readonly retain: readonly RetainRule[];
  read(image: LifecycleImage, now: number): Reading;
  /** The moment that a rule counts from; `undefined` where there is none, and the rule does not act. */
  countsFrom(rule: LifecycleRule, times: Times): { readonly since: number; readonly measure: AgeMeasure } | undefined;
  /** Of a rule that counts days. */
  isOld(rule: LifecycleRule, times: Times, now: number): boolean;
}

/** Retain rules have one word of bits. */
export const maxRetainRules = 30;

/** @throws RangeError for more rules than bits */
export function createRulebook({ rules }: LifecyclePolicy, options: LifecycleOptions): Rulebook {
  const { retain = [], ageFrom = "push", signatureTags = "follow" } = options;
  if (rules.length > policyLimits.rules) throw new RangeError(`a policy has at most ${policyLimits.rules} rules`);
  if (retain.length > maxRetainRules) throw new RangeError(`there are at most ${maxRetainRules} retain rules`);
  const selections = rules.map(({ selection }) => ({
    status: selection.storageClass === "archive" ? "ARCHIVED" : "ACTIVE",
    meets: compileSelection(selection),
  }));
  const retains = retain.map(({ selection, keep }) => ({
    status: { standard: "ACTIVE", archive: "ARCHIVED", any: undefined }[selection.storageClass],
    meets: compileSelection(selection),
    keep,
  }));

  /** When the image was pushed, to a rule: a restored image is as one that was pushed then. */
  function pushed({ pushedAt, activatedAt, taggedAt }: Times): { since: number; measure: AgeMeasure } {
    const push = activatedAt === undefined ? pushedAt : activatedAt;
    if (ageFrom === "lastTagged" && taggedAt !== undefined && taggedAt > push) {
      return { since: taggedAt, measure: "tagged" };
    }
    return { since: push, measure: activatedAt === undefined ? "pushed" : "restored" };
  }

  function pulled(times: Times): { since: number; measure: AgeMeasure } {
    const { lastPulledAt, activatedAt } = times;
    const pulledSince = lastPulledAt !== undefined && (activatedAt === undefined || lastPulledAt >= activatedAt);
    return pulledSince ? { since: lastPulledAt, measure: "pulled" } : pushed(times);
  }

  function countsFrom({ selection }: LifecycleRule, times: Times) {
    switch (selection.countType) {
      case "sinceImagePulled":
        return pulled(times);
      case "sinceImageTransitioned": {
        const { archivedAt } = times;
        return archivedAt === undefined ? undefined : { since: archivedAt, measure: "archived" as const };
      }
      default:
        return pushed(times);
    }
  }

  function retainedAlone(image: LifecycleImage, { keep, status, meets }: (typeof retains)[number], now: number) {
    if (keep.kind === "newest" || (status !== undefined && status !== image.status) || !meets(image.tags)) return false;
    if (keep.kind === "all") return true;
    const since = {
      pushedWithinDays: pushed(image).since,
      pulledWithinDays: image.lastPulledAt,
      taggedWithinDays: image.taggedAt,
    }[keep.kind];
    return since !== undefined && now - since <= keep.days * dayMs;
  }

  return {
    rules,
    retain,
    read(image, now) {
      const { status, tags } = image;
      const words: [number, number] = [0, 0];
      for (let index = 0; index < selections.length; index++) {
        const selection = selections[index];
        if (selection?.status === status && selection.meets(tags)) words[index < 32 ? 0 : 1] |= 1 << (index & 31);
      }
      let [countingRetains, retainedBy] = [0, -1];
      for (let index = 0; index < retains.length; index++) {
        const one = retains[index];
        if (!one) continue;
        const counts = one.keep.kind === "newest" && (one.status === undefined || one.status === status);
        if (counts && one.meets(tags)) countingRetains |= 1 << index;
        else if (retainedBy < 0 && retainedAlone(image, one, now)) retainedBy = index;
      }
      return {
        orderedBy: pushed(image).since,
        rules: words[0],
        moreRules: words[1],
        countingRetains,
        retainedBy,
        subject: image.subject ?? (signatureTags === "follow" ? subjectByTags(image) : undefined),
      };
    },
    countsFrom,
    isOld(rule, times, now) {
      const from = countsFrom(rule, times);
      return from !== undefined && now - from.since > rule.selection.countNumber * dayMs;
    },
  };
}

const signatureTag = /^sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?$/;

/**
 * Signers from before `subject` put the digest of what they sign into a tag (cosign's `.sig`, `.att` and `.sbom`), and
 * clients of registries without the referrers API do so for lists of referrers (OCI distribution specification,
 * "Referrers tag schema"). An image with any other tag is one of its own.
 */
function subjectByTags({ tags }: LifecycleImage): Digest | undefined {
  let hex: string | undefined;
  for (const tag of tags) {
    // Most tags begin otherwise, and this is asked of every one.
    const found = tag.startsWith("sha256-") ? signatureTag.exec(tag)?.[1] : undefined;
    if (found === undefined || (hex !== undefined && hex !== found)) return undefined;
    hex = found;
  }
  return hex === undefined ? undefined : (`sha256:${hex}` as Digest);
}

/** Finds the hold of an image that lasts longest, among those that are not over. */
export function createHolds(holds: readonly Hold[], now: number): (image: LifecycleImage) => Hold | undefined {
  const byDigest = new Map<string, Hold>();
  const byTag = new Map<string, Hold>();
  for (const hold of holds) {
    if (hold.until !== undefined && hold.until <= now) continue;
    const { target } = hold;
    const [map, key] = "digest" in target ? [byDigest, target.digest] : [byTag, target.tag];
    map.set(key, longer(hold, map.get(key)));
  }
  return ({ digest, tags }) => {
    let found = byDigest.get(digest);
    if (byTag.size === 0) return found;
    for (const tag of tags) {
      const hold = byTag.get(tag);
      if (hold) found = longer(hold, found);
    }
    return found;
  };
}

function longer(hold: Hold, other: Hold | undefined): Hold {
  if (!other) return hold;
  return (hold.until ?? Number.POSITIVE_INFINITY) > (other.until ?? Number.POSITIVE_INFINITY) ? hold : other;
}
