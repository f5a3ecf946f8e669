import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId, requestTagFacts, Tags, tagsOf } from "./shapes.ts";

export const TagResource = operation("TagResource", {
  input: { KeyId, Tags },
  account: ofKey,
  needs: onKey("kms:TagResource", {
    facts: ({ Tags: tags }: { KeyId: string; Tags: Parameters<typeof requestTagFacts>[0] }) => requestTagFacts(tags),
  }),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyInvalidState", "InvalidKeyTag", "LimitExceeded"],
  async run({ Tags: tags }, granted, { keys }) {
    await keys.tag(granted, tagsOf(tags));
  },
});
