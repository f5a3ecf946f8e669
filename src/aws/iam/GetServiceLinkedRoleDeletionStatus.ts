import { iamArn } from "../../domain/names.ts";
import { pattern } from "../input.ts";
import { operation } from "./operation.ts";

export const GetServiceLinkedRoleDeletionStatus = operation("GetServiceLinkedRoleDeletionStatus", {
  input: { DeletionTaskId: pattern("task(/[\\w+=,.@-]+){4}").max(1000) },
  needs({ DeletionTaskId }, { account }) {
    const [, , service, name = ""] = DeletionTaskId.split("/");
    const resource = iamArn(account, "role", `/aws-service-role/${service}/`, name);
    return [{ action: "iam:GetServiceLinkedRoleDeletionStatus", resource }];
  },
  throws: [],
  async run() {
    // A task's id is told when the role is gone.
    return { Status: "SUCCEEDED" as const };
  },
});
