import { onUser } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyArn, UserName } from "./policy-shapes.ts";

export const AttachUserPolicy = operation("AttachUserPolicy", {
  input: { UserName, PolicyArn },
  needs: onUser("iam:AttachUserPolicy", ({ PolicyArn }) => ({ "iam:policyarn": PolicyArn })),
  throws: ["LimitExceeded", "NoSuchEntity", "PolicyNotAttachable"],
  async run({ UserName, PolicyArn }, granted, { attachments }) {
    await attachments.attach(granted, "user", UserName, PolicyArn);
    return {};
  },
});
