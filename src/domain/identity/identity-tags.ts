import { refuse } from "../errors.ts";
import type { Tags } from "./ports.ts";

/** Tags of users, roles and whatever else IAM tags (IAM user guide, "Rules for tagging"). */

export type NewTags = readonly { readonly key: string; readonly value: string }[];

const maxTags = 50;
const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** @throws InvalidInput, LimitExceeded */
export function tagsOf(given: NewTags): Tags {
  return withTags(new Map(), given);
}

/**
 * Adds tags, or gives them other values. Keys that differ in case only are one key, and the newest spelling counts.
 * @throws InvalidInput, LimitExceeded
 */
export function withTags(tags: Tags, given: NewTags): Tags {
  const keys = new Set(given.map(({ key }) => key.toLowerCase()));
  if (keys.size < given.length) {
    throw invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
  }
  for (const { key, value } of given) check(key, value);
  const kept = [...tags].filter(([key]) => !keys.has(key.toLowerCase()));
  const all = new Map([...kept, ...given.map(({ key, value }): [string, string] => [key, value])]);
  if (all.size > maxTags) {
    throw refuse("LimitExceeded", { reason: `The number of tags has reached the maximum limit of ${maxTags}.` });
  }
  return all;
}

/** Keys that are not there are passed over. */
export function withoutTags(tags: Tags, keys: readonly string[]): Tags {
  const gone = new Set(keys.map((key) => key.toLowerCase()));
  return new Map([...tags].filter(([key]) => !gone.has(key.toLowerCase())));
}

function check(key: string, value: string): void {
  if (key.length === 0 || key.length > 128) throw invalid("Tag keys have between 1 and 128 characters.");
  if (value.length > 256) throw invalid(`The value of the tag '${key}' has more than 256 characters.`);
  if (/^aws:/i.test(key)) throw invalid("aws: prefixed tag key names are not allowed for external use.");
  if (!allowed.test(key) || !allowed.test(value)) {
    throw invalid(`Tag '${key}' has characters other than letters, numbers, spaces and _ . : / = + - @`);
  }
}

function invalid(reason: string) {
  return refuse("InvalidInput", { reason });
}
