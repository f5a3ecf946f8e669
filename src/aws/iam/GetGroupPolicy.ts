import { encodeStrictly } from "../urlencoded.ts";
import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, PolicyName } from "./shapes.ts";

export const GetGroupPolicy = operation("GetGroupPolicy", {
  input: { GroupName, PolicyName },
  needs: onGroup("iam:GetGroupPolicy"),
  throws: ["NoSuchEntity"],
  async run({ GroupName, PolicyName }, granted, { inlinePolicies }) {
    const document = await inlinePolicies.get(granted, "group", GroupName, PolicyName);
    return { GroupName, PolicyName, PolicyDocument: encodeStrictly(document) };
  },
});
