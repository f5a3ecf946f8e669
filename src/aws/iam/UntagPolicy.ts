import { tagKeys } from "./needs.ts";
import { onPolicy } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyArn, TagKeys } from "./policy-shapes.ts";

export const UntagPolicy = operation("UntagPolicy", {
  input: { PolicyArn, TagKeys },
  needs: onPolicy("iam:UntagPolicy", ({ TagKeys }) => tagKeys(TagKeys)),
  throws: ["AccessDenied", "NoSuchEntity"],
  async run({ PolicyArn, TagKeys }, granted, { managedPolicies }) {
    await managedPolicies.untag(granted, PolicyArn, TagKeys);
    return {};
  },
});
