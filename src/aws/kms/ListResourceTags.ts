import { pageOf } from "./lists.ts";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId, paged } from "./shapes.ts";

export const ListResourceTags = operation("ListResourceTags", {
  input: { KeyId, ...paged },
  account: ofKey,
  needs: onKey("kms:ListResourceTags"),
  throws: ["KeyNotFound", "InvalidKeyArn", "InvalidMarker"],
  async run(input, granted, { keys, paging }) {
    const { id, tags } = await keys.describe(granted);
    const sorted = [...tags].sort(([one], [other]) => (one < other ? -1 : 1));
    const { items, more } = await pageOf({
      paging,
      of: ["ListResourceTags", id],
      granted,
      input,
      preset: 50,
      read: async ({ after, limit }: { after?: string; limit: number }) =>
        sorted.filter(([name]) => after === undefined || name > after).slice(0, limit),
      keyOf: ([name]) => name,
    });
    return { Tags: items.map(([TagKey, TagValue]) => ({ TagKey, TagValue })), ...more };
  },
});
