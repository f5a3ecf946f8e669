import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, GroupName } from "./shapes.ts";

export const AddUserToGroup = operation("AddUserToGroup", {
  input: { GroupName, UserName: ExistingUserName },
  needs: onGroup("iam:AddUserToGroup"),
  throws: ["LimitExceeded", "NoSuchEntity"],
  async run({ GroupName, UserName }, granted, { groups }) {
    await groups.addUser(granted, GroupName, UserName);
  },
});
