import { iamArn } from "../../domain/names.ts";
import { toCreate } from "./needs.ts";
import { operation } from "./operation.ts";
import {
  MaxSessionDuration,
  newTags,
  Path,
  PolicyArn,
  PolicyDocument,
  RoleDescription,
  RoleName,
  Tags,
} from "./shapes.ts";
import { roleView } from "./views.ts";

export const CreateRole = operation("CreateRole", {
  input: {
    Path: Path.optional(),
    RoleName,
    AssumeRolePolicyDocument: PolicyDocument,
    Description: RoleDescription.optional(),
    MaxSessionDuration: MaxSessionDuration.optional(),
    PermissionsBoundary: PolicyArn.optional(),
    Tags: Tags.optional(),
  },
  needs({ Path = "/", RoleName, PermissionsBoundary, Tags }, { account }) {
    const resource = iamArn(account, "role", Path, RoleName);
    const facts = { "iam:permissionsboundary": PermissionsBoundary };
    return toCreate("iam:CreateRole", "iam:TagRole", resource, Tags, facts);
  },
  throws: [
    "EntityAlreadyExists",
    "InvalidInput",
    "LimitExceeded",
    "MalformedPolicy",
    "NoSuchEntity",
    "PolicyNotAttachable",
    "Validation",
  ],
  async run(input, granted, { roles }) {
    const role = await roles.create(granted, {
      name: input.RoleName,
      path: input.Path,
      trustPolicy: input.AssumeRolePolicyDocument,
      description: input.Description || undefined,
      maxSessionSeconds: input.MaxSessionDuration,
      boundary: input.PermissionsBoundary,
      tags: newTags(input.Tags),
    });
    return { Role: roleView(role) };
  },
});
