import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, RoleName } from "./shapes.ts";

export const AttachRolePolicy = operation("AttachRolePolicy", {
  input: { RoleName, PolicyArn },
  needs: onRole("iam:AttachRolePolicy", ({ PolicyArn }) => ({ "iam:policyarn": PolicyArn })),
  throws: ["LimitExceeded", "NoSuchEntity", "PolicyNotAttachable", "ProtectedRole"],
  async run({ RoleName, PolicyArn }, granted, { attachments }) {
    await attachments.attach(granted, "role", RoleName, PolicyArn);
    return {};
  },
});
