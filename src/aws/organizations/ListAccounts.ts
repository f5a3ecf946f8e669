import { onRegistry } from "../operation.ts";
import { accountPageOf, listOf } from "./lists.ts";
import { operation } from "./operation.ts";
import { paged } from "./shapes.ts";
import { accountView } from "./views.ts";

export const ListAccounts = operation("ListAccounts", {
  input: { ...paged },
  needs: onRegistry("organizations:ListAccounts"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "InvalidParameter"],
  async run(input, granted, { organizations, paging }) {
    const organization = await organizations.root(granted);
    const list = { paging, of: listOf("ListAccounts", granted), input };
    const { items, nextToken } = await accountPageOf(
      list,
      (page) => organizations.accountsOf(granted, page),
      ({ id }) => id,
    );
    return { Accounts: items.map((account) => accountView(organization, account)), NextToken: nextToken };
  },
});
