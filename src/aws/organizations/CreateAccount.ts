import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { AccountName, Email, RoleName, Tags } from "./shapes.ts";
import { creationView } from "./views.ts";

export const CreateAccount = operation("CreateAccount", {
  input: {
    Email,
    AccountName,
    RoleName: RoleName.optional(),
    // There is no billing.
    IamUserAccessToBilling: z.enum(["ALLOW", "DENY"]).optional(),
    Tags,
  },
  needs: onRegistry("organizations:CreateAccount"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "OrganizationConstraint"],
  async run({ Email: email, AccountName: name, RoleName: roleName }, granted, { organizations }) {
    const member = { name, email, roleName: roleName ?? "OrganizationAccountAccessRole" };
    return { CreateAccountStatus: creationView(await organizations.createAccount(granted, member)) };
  },
});
