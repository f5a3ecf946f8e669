import { needsOn } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, Path, UserName } from "./shapes.ts";

export const UpdateUser = operation("UpdateUser", {
  input: { UserName: ExistingUserName, NewPath: Path.optional(), NewUserName: UserName.optional() },
  /** Both as it is and as it will be. */
  async needs({ UserName: name, NewPath, NewUserName = name }, { account }, { parts: { resources } }) {
    const needs = needsOn("iam:UpdateUser", await resources.entity(account, "user", name));
    const moved = await resources.moved(account, "user", name, { name: NewUserName, path: NewPath });
    return [...needs, ...needs.map((need) => ({ ...need, resource: moved }))];
  },
  throws: ["EntityAlreadyExists", "NoSuchEntity"],
  async run({ UserName: name, NewPath, NewUserName }, granted, { users }) {
    await users.rename(granted, name, { name: NewUserName, path: NewPath });
  },
});
