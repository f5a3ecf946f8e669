import { iamArn } from "../../domain/names.ts";
import { operation } from "./operation.ts";
import { GroupName, Path } from "./shapes.ts";
import { groupView } from "./views.ts";

export const CreateGroup = operation("CreateGroup", {
  input: { Path: Path.optional(), GroupName },
  needs: ({ Path: path = "/", GroupName: name }, { account }) => [
    { action: "iam:CreateGroup", resource: iamArn(account, "group", path, name) },
  ],
  throws: ["EntityAlreadyExists", "LimitExceeded"],
  async run({ Path: path, GroupName: name }, granted, { groups }) {
    return { Group: groupView(await groups.create(granted, { name, path })) };
  },
});
