import { newTags, requestTags } from "./needs.ts";
import { onPolicy } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyArn, Tags } from "./policy-shapes.ts";

export const TagPolicy = operation("TagPolicy", {
  input: { PolicyArn, Tags },
  needs: onPolicy("iam:TagPolicy", ({ Tags }) => requestTags(Tags)),
  throws: ["AccessDenied", "InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ PolicyArn, Tags }, granted, { managedPolicies }) {
    await managedPolicies.tag(granted, PolicyArn, newTags(Tags));
    return {};
  },
});
