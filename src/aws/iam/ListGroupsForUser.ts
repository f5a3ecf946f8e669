import type { Paged } from "../../domain/identity/ports.ts";
import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { ExistingUserName, paged } from "./shapes.ts";
import { groupView } from "./views.ts";

export const ListGroupsForUser = operation("ListGroupsForUser", {
  input: { UserName: ExistingUserName, ...paged },
  needs: onUser("iam:ListGroupsForUser"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { groups, paging }) {
    const { items, rest } = await listPage(paging, {
      of: ["ListGroupsForUser", granted.registry.account, input.UserName],
      input,
      read: (page: Paged<string>) => groups.ofUser(granted, input.UserName, page),
      keyOf: ({ name }) => name.toLowerCase(),
    });
    return { Groups: items.map(groupView), ...rest };
  },
});
