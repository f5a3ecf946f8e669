import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { MemberId } from "./shapes.ts";

export const CloseAccount = operation("CloseAccount", {
  input: { AccountId: MemberId },
  needs: onNodes("organizations:CloseAccount", ({ AccountId: id }) => id),
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "OrganizationAccountNotFound",
    "AccountAlreadyClosed",
    "OrganizationConstraint",
  ],
  async run({ AccountId: id }, granted, { organizations }) {
    await organizations.closeAccount(granted, id);
    return {};
  },
});
