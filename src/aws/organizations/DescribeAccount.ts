import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { MemberId } from "./shapes.ts";
import { accountView } from "./views.ts";

export const DescribeAccount = operation("DescribeAccount", {
  input: { AccountId: MemberId },
  needs: onNodes("organizations:DescribeAccount", ({ AccountId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "OrganizationAccountNotFound"],
  async run({ AccountId: id }, granted, { organizations }) {
    const { organization, account } = await organizations.accountOf(granted, id);
    return { Account: accountView(organization, account) };
  },
});
