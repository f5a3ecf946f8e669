import { refuse } from "../errors.ts";
import type { Tags } from "./ports.ts";

/** Quota of tags on anything that IAM keeps (IAM user guide, "IAM and AWS STS quotas"). */
const maxTags = 50;

/** Keys of tags are the same whatever their case; the last one given says how the key is written. */
export function addTags(tags: Tags, more: Tags, quota: `TagsPer${string}`): Tags {
  for (const key of more.keys()) {
    if (/^aws:/i.test(key)) {
      throw refuse("InvalidInput", { reason: "aws: prefixed tag key names are not allowed for external use." });
    }
  }
  const all = new Map([...removeTags(tags, [...more.keys()]), ...more]);
  if (all.size > maxTags) throw refuse("LimitExceeded", { reason: `Cannot exceed quota for ${quota}: ${maxTags}` });
  return all;
}

/** Keys that are not there are passed over. */
export function removeTags(tags: Tags, keys: readonly string[]): Tags {
  const gone = new Set(keys.map((key) => key.toLowerCase()));
  return new Map([...tags].filter(([key]) => !gone.has(key.toLowerCase())));
}
