import { iamArn } from "../../domain/names.ts";
import { boundaryFact, newTags, requestTags } from "./needs.ts";
import { operation } from "./operation.ts";
import { Path, PolicyArn, Tags, UserName } from "./shapes.ts";
import { userView } from "./views.ts";

export const CreateUser = operation("CreateUser", {
  input: { Path: Path.optional(), UserName, PermissionsBoundary: PolicyArn.optional(), Tags: Tags.optional() },
  needs({ Path: path = "/", UserName: name, PermissionsBoundary, Tags: tags = [] }, { account }) {
    const resource = iamArn(account, "user", path, name);
    const facts = { ...requestTags(tags), ...boundaryFact(PermissionsBoundary) };
    const create = { action: "iam:CreateUser", resource, facts } as const;
    return tags.length > 0 ? [create, { action: "iam:TagUser", resource, facts: requestTags(tags) }] : [create];
  },
  throws: ["EntityAlreadyExists", "InvalidInput", "LimitExceeded", "NoSuchEntity"],
  async run({ Path: path, UserName: name, PermissionsBoundary: boundary, Tags: tags }, granted, { users }) {
    const user = await users.create(granted, { name, path, boundary, tags: newTags(tags) });
    return { User: userView(user) };
  },
});
