import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, PolicyDocument, PolicyName } from "./shapes.ts";

export const PutGroupPolicy = operation("PutGroupPolicy", {
  input: { GroupName, PolicyName, PolicyDocument },
  needs: onGroup("iam:PutGroupPolicy"),
  throws: ["LimitExceeded", "MalformedPolicy", "NoSuchEntity"],
  async run({ GroupName, PolicyName, PolicyDocument }, granted, { inlinePolicies }) {
    await inlinePolicies.put(granted, "group", GroupName, PolicyName, PolicyDocument);
    return {};
  },
});
