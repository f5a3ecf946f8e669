import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName } from "./shapes.ts";

export const DeleteGroup = operation("DeleteGroup", {
  input: { GroupName },
  needs: onGroup("iam:DeleteGroup"),
  throws: ["DeleteConflict", "NoSuchEntity"],
  async run({ GroupName }, granted, { groups }) {
    await groups.delete(granted, GroupName);
  },
});
