import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, PolicyName } from "./shapes.ts";

export const DeleteGroupPolicy = operation("DeleteGroupPolicy", {
  input: { GroupName, PolicyName },
  needs: onGroup("iam:DeleteGroupPolicy"),
  throws: ["NoSuchEntity"],
  async run({ GroupName, PolicyName }, granted, { inlinePolicies }) {
    await inlinePolicies.delete(granted, "group", GroupName, PolicyName);
    return {};
  },
});
