import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, PolicyArn } from "./shapes.ts";

export const DetachGroupPolicy = operation("DetachGroupPolicy", {
  input: { GroupName, PolicyArn },
  needs: onGroup("iam:DetachGroupPolicy", ({ PolicyArn }) => ({ "iam:policyarn": PolicyArn })),
  throws: ["NoSuchEntity"],
  async run({ GroupName, PolicyArn }, granted, { attachments }) {
    await attachments.detach(granted, "group", GroupName, PolicyArn);
    return {};
  },
});
