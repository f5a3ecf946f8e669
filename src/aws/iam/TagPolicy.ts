import { onPolicy, tagFacts } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, Tags, tagsOf } from "./policy-shapes.ts";

export const TagPolicy = operation("TagPolicy", {
  input: { PolicyArn, Tags },
  needs: onPolicy("iam:TagPolicy", ({ Tags }) => tagFacts(Tags)),
  throws: ["AccessDenied", "InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ PolicyArn, Tags }, granted, { managedPolicies }) {
    await managedPolicies.tag(granted, PolicyArn, tagsOf(Tags));
    return {};
  },
});
