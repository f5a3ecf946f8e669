import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, PolicyArn } from "./shapes.ts";

export const AttachGroupPolicy = operation("AttachGroupPolicy", {
  input: { GroupName, PolicyArn },
  needs: onGroup("iam:AttachGroupPolicy", ({ PolicyArn }) => ({ "iam:policyarn": PolicyArn })),
  throws: ["LimitExceeded", "NoSuchEntity", "PolicyNotAttachable"],
  async run({ GroupName, PolicyArn }, granted, { attachments }) {
    await attachments.attach(granted, "group", GroupName, PolicyArn);
    return {};
  },
});
