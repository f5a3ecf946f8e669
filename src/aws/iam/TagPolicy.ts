import { requestTags } from "./facts.ts";
import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { newTags, PolicyArn, Tags } from "./shapes.ts";

export const TagPolicy = operation("TagPolicy", {
  input: { PolicyArn, Tags },
  needs: onPolicy("iam:TagPolicy", ({ Tags }) => requestTags(Tags)),
  throws: ["AccessDenied", "InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ PolicyArn, Tags }, granted, { managedPolicies }) {
    await managedPolicies.tag(granted, PolicyArn, newTags(Tags));
    return {};
  },
});
