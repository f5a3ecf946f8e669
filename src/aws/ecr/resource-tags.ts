import type { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import type { ResourceTags } from "./shapes.ts";

/** @throws InvalidTag for a key that is given twice */
export function resourceTagsOf(tags: z.output<typeof ResourceTags>): Map<string, string> {
  const map = new Map(tags.map(({ Key, Value }) => [Key, Value]));
  if (map.size < tags.length) throw refuse("InvalidTag", { reason: "Tag keys must be unique" });
  return map;
}
