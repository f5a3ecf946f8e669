import { accountPageOf, listOf } from "./lists.ts";
import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { ParentId, paged } from "./shapes.ts";
import { accountView } from "./views.ts";

export const ListAccountsForParent = operation("ListAccountsForParent", {
  input: { ParentId, ...paged },
  needs: onNodes("organizations:ListAccountsForParent", ({ ParentId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "ParentNotFound", "InvalidParameter"],
  async run(input, granted, { organizations, paging }) {
    const { ParentId: parentId } = input;
    const organization = await organizations.root(granted);
    const list = { paging, of: listOf("ListAccountsForParent", granted, parentId), input };
    const { items, nextToken } = await accountPageOf(
      list,
      (page) => organizations.accountsIn(granted, parentId, page),
      ({ id }) => id,
    );
    return { Accounts: items.map((account) => accountView(organization, account)), NextToken: nextToken };
  },
});
