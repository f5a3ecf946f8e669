import { encodeStrictly } from "../urlencoded.ts";
import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, PolicyName } from "./shapes.ts";

export const GetUserPolicy = operation("GetUserPolicy", {
  input: { UserName: ExistingUserName, PolicyName },
  needs: onUser("iam:GetUserPolicy"),
  throws: ["NoSuchEntity"],
  async run({ UserName, PolicyName }, granted, { inlinePolicies }) {
    const document = await inlinePolicies.get(granted, "user", UserName, PolicyName);
    return { UserName, PolicyName, PolicyDocument: encodeStrictly(document) };
  },
});
