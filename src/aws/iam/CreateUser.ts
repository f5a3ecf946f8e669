import { iamArn } from "../../domain/names.ts";
import { boundaryFact } from "./facts.ts";
import { toCreate } from "./needs.ts";
import { operation } from "./operation.ts";
import { newTags, Path, PolicyArn, Tags, UserName } from "./shapes.ts";
import { userView } from "./views.ts";

export const CreateUser = operation("CreateUser", {
  input: { Path: Path.optional(), UserName, PermissionsBoundary: PolicyArn.optional(), Tags: Tags.optional() },
  needs({ Path: path = "/", UserName: name, PermissionsBoundary, Tags: tags }, { account }) {
    const resource = iamArn(account, "user", path, name);
    return toCreate("iam:CreateUser", "iam:TagUser", resource, tags, boundaryFact(PermissionsBoundary));
  },
  throws: ["EntityAlreadyExists", "InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ Path: path, UserName: name, PermissionsBoundary: boundary, Tags: tags }, granted, { users }) {
    const user = await users.create(granted, { name, path, boundary, tags: newTags(tags) });
    return { User: userView(user) };
  },
});
