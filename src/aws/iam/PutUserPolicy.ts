import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, PolicyDocument, PolicyName } from "./shapes.ts";

export const PutUserPolicy = operation("PutUserPolicy", {
  input: { UserName: ExistingUserName, PolicyName, PolicyDocument },
  needs: onUser("iam:PutUserPolicy"),
  throws: ["LimitExceeded", "MalformedPolicy", "NoSuchEntity"],
  async run({ UserName, PolicyName, PolicyDocument }, granted, { inlinePolicies }) {
    await inlinePolicies.put(granted, "user", UserName, PolicyName, PolicyDocument);
    return {};
  },
});
