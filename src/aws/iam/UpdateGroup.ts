import { needsOn } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, Path } from "./shapes.ts";

export const UpdateGroup = operation("UpdateGroup", {
  input: { GroupName, NewPath: Path.optional(), NewGroupName: GroupName.optional() },
  /** Both as it is and as it will be. */
  async needs({ GroupName: name, NewPath, NewGroupName = name }, { account }, { parts: { resources } }) {
    const needs = needsOn("iam:UpdateGroup", await resources.entity(account, "group", name));
    const moved = await resources.moved(account, "group", name, { name: NewGroupName, path: NewPath });
    return [...needs, ...needs.map((need) => ({ ...need, resource: moved }))];
  },
  throws: ["EntityAlreadyExists", "NoSuchEntity"],
  async run({ GroupName: name, NewPath, NewGroupName }, granted, { groups }) {
    await groups.rename(granted, name, { name: NewGroupName, path: NewPath });
  },
});
