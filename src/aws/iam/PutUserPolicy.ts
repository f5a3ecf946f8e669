import { onUser } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyDocument, PolicyName, UserName } from "./policy-shapes.ts";

export const PutUserPolicy = operation("PutUserPolicy", {
  input: { UserName, PolicyName, PolicyDocument },
  needs: onUser("iam:PutUserPolicy"),
  throws: ["LimitExceeded", "MalformedPolicy", "NoSuchEntity"],
  async run({ UserName, PolicyName, PolicyDocument }, granted, { inlinePolicies }) {
    await inlinePolicies.put(granted, "user", UserName, PolicyName, PolicyDocument);
    return {};
  },
});
