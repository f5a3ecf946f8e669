import type { Facts } from "../../domain/access.ts";
import type { Tags } from "../../domain/identity/ports.ts";

/** The condition keys of IAM's actions (service authorization reference, "IAM"). */

/** Tags of what is there. */
export function resourceTags(tags: Tags): Facts {
  const facts: Record<string, string> = {};
  for (const [key, value] of tags) {
    facts[`aws:resourcetag/${key.toLowerCase()}`] = value;
    facts[`iam:resourcetag/${key.toLowerCase()}`] = value;
  }
  return facts;
}

/** Tags that the request sends. */
export function requestTags(tags: readonly { readonly Key: string; readonly Value: string }[] = []): Facts {
  if (tags.length === 0) return {};
  const facts: Record<string, string | readonly string[]> = { "aws:tagkeys": tags.map(({ Key }) => Key) };
  for (const { Key, Value } of tags) facts[`aws:requesttag/${Key.toLowerCase()}`] = Value;
  return facts;
}

/** Keys of tags that the request takes away. */
export function tagKeys(keys: readonly string[]): Facts {
  return { "aws:tagkeys": keys };
}

/** The boundary that the request sets, or that the identity has when it is to be taken away. */
export function boundaryFact(boundary: string | undefined): Facts {
  return boundary === undefined ? {} : { "iam:permissionsboundary": boundary };
}
