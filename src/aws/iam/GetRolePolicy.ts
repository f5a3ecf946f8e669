import { encodeStrictly } from "../urlencoded.ts";
import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyName, RoleName } from "./shapes.ts";

export const GetRolePolicy = operation("GetRolePolicy", {
  input: { RoleName, PolicyName },
  needs: onRole("iam:GetRolePolicy"),
  throws: ["NoSuchEntity"],
  async run({ RoleName, PolicyName }, granted, { inlinePolicies }) {
    const document = await inlinePolicies.get(granted, "role", RoleName, PolicyName);
    return { RoleName, PolicyName, PolicyDocument: encodeStrictly(document) };
  },
});
