import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { MemberId } from "./shapes.ts";

export const RemoveAccountFromOrganization = operation("RemoveAccountFromOrganization", {
  input: { AccountId: MemberId },
  needs: onNodes("organizations:RemoveAccountFromOrganization", ({ AccountId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "OrganizationAccountNotFound", "MasterCannotLeave"],
  async run({ AccountId: id }, granted, { organizations }) {
    await organizations.removeAccount(granted, id);
    return {};
  },
});
