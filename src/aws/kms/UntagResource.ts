import { z } from "zod";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId, TagKey, tagKeyFacts } from "./shapes.ts";

export const UntagResource = operation("UntagResource", {
  input: { KeyId, TagKeys: z.array(TagKey) },
  account: ofKey,
  needs: onKey("kms:UntagResource", {
    facts: ({ TagKeys: names }: { KeyId: string; TagKeys: readonly string[] }) => tagKeyFacts(names),
  }),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyInvalidState", "InvalidKeyTag"],
  async run({ TagKeys: names }, granted, { keys }) {
    await keys.untag(granted, names);
  },
});
