import { tagKeys } from "./facts.ts";
import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, TagKeys } from "./shapes.ts";

export const UntagPolicy = operation("UntagPolicy", {
  input: { PolicyArn, TagKeys },
  needs: onPolicy("iam:UntagPolicy", ({ TagKeys }) => tagKeys(TagKeys)),
  throws: ["AccessDenied", "NoSuchEntity"],
  async run({ PolicyArn, TagKeys }, granted, { managedPolicies }) {
    await managedPolicies.untag(granted, PolicyArn, TagKeys);
    return {};
  },
});
