import { z } from "zod";
import { serviceRoleName } from "../../domain/identity/service-linked-roles.ts";
import { iamArn } from "../../domain/names.ts";
import { pattern } from "../input.ts";
import { operation } from "./operation.ts";
import { RoleDescription } from "./shapes.ts";
import { roleView } from "./views.ts";

export const CreateServiceLinkedRole = operation("CreateServiceLinkedRole", {
  input: {
    AWSServiceName: pattern("[\\w+=,.@-]+").min(1).max(128),
    Description: RoleDescription.optional(),
    CustomSuffix: z.string().min(1).max(64).optional(),
  },
  needs({ AWSServiceName }, { account }) {
    const { path, name } = serviceRoleName(AWSServiceName);
    const facts = { "iam:awsservicename": AWSServiceName };
    return [{ action: "iam:CreateServiceLinkedRole", resource: iamArn(account, "role", path, name), facts }];
  },
  throws: ["InvalidInput"],
  async run({ AWSServiceName, Description, CustomSuffix }, granted, { serviceLinkedRoles }) {
    const role = await serviceLinkedRoles.create(granted, AWSServiceName, Description, CustomSuffix);
    return { Role: roleView(role) };
  },
});
