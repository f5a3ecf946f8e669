import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, GroupName } from "./shapes.ts";

export const RemoveUserFromGroup = operation("RemoveUserFromGroup", {
  input: { GroupName, UserName: ExistingUserName },
  needs: onGroup("iam:RemoveUserFromGroup"),
  throws: ["NoSuchEntity"],
  async run({ GroupName, UserName }, granted, { groups }) {
    await groups.removeUser(granted, GroupName, UserName);
  },
});
