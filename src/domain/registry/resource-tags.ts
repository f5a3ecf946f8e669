import type { Facts } from "../access.ts";
import { refuse } from "../errors.ts";

/** Quota of resource tags on a repository (ECR user guide, "Tagging a private repository"). */
export const maxResourceTags = 50;

const allowed = /^[\p{L}\p{N} _.:/=+\-@]*$/u;

/** @throws InvalidTag naming the first key or value that AWS would refuse */
export function checkResourceTags(tags: ReadonlyMap<string, string>): void {
  const reason = problemOfResourceTags(tags);
  if (reason !== undefined) throw refuse("InvalidTag", { reason });
}

/** What is wrong with the first key or value that AWS would refuse. */
export function problemOfResourceTags(tags: ReadonlyMap<string, string>): string | undefined {
  for (const [key, value] of tags) {
    if (key.length < 1 || key.length > 128) return "Tag keys have 1 to 128 characters";
    if (value.length > 256) return `The value of tag '${key}' is longer than 256 characters`;
    if (/^aws:/i.test(key)) return `Tag keys starting with 'aws:' are reserved for system use: '${key}'`;
    if (!allowed.test(key) || !allowed.test(value)) {
      return `Tag '${key}' has characters other than letters, numbers, spaces and _ . : / = + - @`;
    }
  }
  return undefined;
}

/** What policies may ask about the tags in a request. */
export function requestedTagFacts(tags: ReadonlyMap<string, string>): Facts {
  const values = [...tags].map(([key, value]) => [`aws:requesttag/${key.toLowerCase()}`, value]);
  return { ...Object.fromEntries(values), "aws:tagkeys": tags.size > 0 ? [...tags.keys()] : undefined };
}
