import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, PolicyArn } from "./shapes.ts";

export const AttachUserPolicy = operation("AttachUserPolicy", {
  input: { UserName: ExistingUserName, PolicyArn },
  needs: onUser("iam:AttachUserPolicy", ({ PolicyArn }) => ({ "iam:policyarn": PolicyArn })),
  throws: ["LimitExceeded", "NoSuchEntity", "PolicyNotAttachable"],
  async run({ UserName, PolicyArn }, granted, { attachments }) {
    await attachments.attach(granted, "user", UserName, PolicyArn);
    return {};
  },
});
