import { encodeStrictly } from "../urlencoded.ts";
import { onUser } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyName, UserName } from "./policy-shapes.ts";

export const GetUserPolicy = operation("GetUserPolicy", {
  input: { UserName, PolicyName },
  needs: onUser("iam:GetUserPolicy"),
  throws: ["NoSuchEntity"],
  async run({ UserName, PolicyName }, granted, { inlinePolicies }) {
    const document = await inlinePolicies.get(granted, "user", UserName, PolicyName);
    return { UserName, PolicyName, PolicyDocument: encodeStrictly(document) };
  },
});
