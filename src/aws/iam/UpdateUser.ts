import { iamArn } from "../../domain/names.ts";
import { onIdentity } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, Path, UserName } from "./shapes.ts";

export const UpdateUser = operation("UpdateUser", {
  input: { UserName: ExistingUserName, NewPath: Path.optional(), NewUserName: UserName.optional() },
  /** Both as it is and as it will be. */
  async needs({ UserName: name, NewPath, NewUserName = name }, { account }, { parts: { users } }) {
    const action = "iam:UpdateUser";
    const user = await users.find(account, name);
    const now = onIdentity(action, account, "user", name, user);
    return [now, { ...now, resource: iamArn(account, "user", NewPath ?? user?.path ?? "/", NewUserName) }];
  },
  throws: ["EntityAlreadyExists", "NoSuchEntity"],
  async run({ UserName: name, NewPath, NewUserName }, granted, { users }) {
    await users.rename(granted, name, { name: NewUserName, path: NewPath });
  },
});
