import { boundaryFact } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, PolicyArn } from "./shapes.ts";
import { onUser } from "./subject.ts";

export const PutUserPermissionsBoundary = operation("PutUserPermissionsBoundary", {
  input: { UserName: ExistingUserName, PermissionsBoundary: PolicyArn },
  needs: onUser("iam:PutUserPermissionsBoundary", (input) => boundaryFact(input.PermissionsBoundary)),
  throws: ["InvalidInput", "NoSuchEntity"],
  async run({ UserName, PermissionsBoundary }, granted, { users }) {
    await users.setBoundary(granted, UserName, PermissionsBoundary);
  },
});
