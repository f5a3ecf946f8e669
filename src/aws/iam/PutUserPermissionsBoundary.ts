import { boundaryFact } from "./facts.ts";
import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, PolicyArn } from "./shapes.ts";

export const PutUserPermissionsBoundary = operation("PutUserPermissionsBoundary", {
  input: { UserName: ExistingUserName, PermissionsBoundary: PolicyArn },
  needs: onUser("iam:PutUserPermissionsBoundary", (input) => boundaryFact(input.PermissionsBoundary)),
  throws: ["InvalidInput", "NoSuchEntity"],
  async run({ UserName, PermissionsBoundary }, granted, { boundaries }) {
    await boundaries.put(granted, "user", UserName, PermissionsBoundary);
  },
});
