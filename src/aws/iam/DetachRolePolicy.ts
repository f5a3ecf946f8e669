import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, RoleName } from "./shapes.ts";

export const DetachRolePolicy = operation("DetachRolePolicy", {
  input: { RoleName, PolicyArn },
  needs: onRole("iam:DetachRolePolicy", ({ PolicyArn }) => ({ "iam:policyarn": PolicyArn })),
  throws: ["NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, PolicyArn }, granted, { attachments }) {
    await attachments.detach(granted, "role", RoleName, PolicyArn);
    return {};
  },
});
