import { onUser } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyArn, UserName } from "./policy-shapes.ts";

export const DetachUserPolicy = operation("DetachUserPolicy", {
  input: { UserName, PolicyArn },
  needs: onUser("iam:DetachUserPolicy", ({ PolicyArn }) => ({ "iam:policyarn": PolicyArn })),
  throws: ["NoSuchEntity"],
  async run({ UserName, PolicyArn }, granted, { attachments }) {
    await attachments.detach(granted, "user", UserName, PolicyArn);
    return {};
  },
});
