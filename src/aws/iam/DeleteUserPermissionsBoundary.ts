import { boundaryFact, onIdentity } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName } from "./shapes.ts";

export const DeleteUserPermissionsBoundary = operation("DeleteUserPermissionsBoundary", {
  input: { UserName: ExistingUserName },
  async needs({ UserName: name }, { account }, { parts: { users } }) {
    const user = await users.find(account, name);
    const facts = boundaryFact(user?.boundary);
    return [onIdentity("iam:DeleteUserPermissionsBoundary", account, "user", name, user, facts)];
  },
  throws: ["NoSuchEntity"],
  async run({ UserName }, granted, { users }) {
    await users.setBoundary(granted, UserName, undefined);
  },
});
