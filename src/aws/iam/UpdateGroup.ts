import { iamArn } from "../../domain/names.ts";
import { onIdentity } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, Path } from "./shapes.ts";

export const UpdateGroup = operation("UpdateGroup", {
  input: { GroupName, NewPath: Path.optional(), NewGroupName: GroupName.optional() },
  /** Both as it is and as it will be. */
  async needs({ GroupName: name, NewPath, NewGroupName = name }, { account }, { parts: { groups } }) {
    const action = "iam:UpdateGroup";
    const group = await groups.find(account, name);
    const now = onIdentity(action, account, "group", name, group);
    return [now, { ...now, resource: iamArn(account, "group", NewPath ?? group?.path ?? "/", NewGroupName) }];
  },
  throws: ["EntityAlreadyExists", "NoSuchEntity"],
  async run({ GroupName: name, NewPath, NewGroupName }, granted, { groups }) {
    await groups.rename(granted, name, { name: NewGroupName, path: NewPath });
  },
});
