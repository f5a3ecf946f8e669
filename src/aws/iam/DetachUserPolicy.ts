import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, PolicyArn } from "./shapes.ts";

export const DetachUserPolicy = operation("DetachUserPolicy", {
  input: { UserName: ExistingUserName, PolicyArn },
  needs: onUser("iam:DetachUserPolicy", ({ PolicyArn }) => ({ "iam:policyarn": PolicyArn })),
  throws: ["NoSuchEntity"],
  async run({ UserName, PolicyArn }, granted, { attachments }) {
    await attachments.detach(granted, "user", UserName, PolicyArn);
    return {};
  },
});
