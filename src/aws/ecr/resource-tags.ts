import type { z } from "zod";
import type { Facts } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { ResourceTags } from "./shapes.ts";

/** @throws InvalidTag for a key that is given twice */
export function resourceTagsOf(tags: z.output<typeof ResourceTags>): Map<string, string> {
  const map = new Map(tags.map(({ Key, Value }) => [Key, Value]));
  if (map.size < tags.length) throw refuse("InvalidTag", { reason: "Tag keys must be unique" });
  return map;
}

/** What policies may ask about the tags in a request. */
export function requestTagFacts(tags: z.output<typeof ResourceTags>): Facts {
  const values = tags.map(({ Key, Value }) => [`aws:requesttag/${Key.toLowerCase()}`, Value]);
  return { ...Object.fromEntries(values), ...tagKeyFacts(tags.map(({ Key }) => Key)) };
}

export function tagKeyFacts(keys: readonly string[]): Facts {
  return { "aws:tagkeys": keys.length > 0 ? keys : undefined };
}
