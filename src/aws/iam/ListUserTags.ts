import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { ExistingUserName, paged } from "./shapes.ts";
import { sortedTags } from "./views.ts";

export const ListUserTags = operation("ListUserTags", {
  input: { UserName: ExistingUserName, ...paged },
  needs: onUser("iam:ListUserTags"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users, paging }) {
    const { tags } = await users.get(granted, input.UserName);
    const keyOf = ({ Key }: { Key: string }) => Key;
    const { items, rest } = await listPage(paging, {
      of: ["ListUserTags", granted.registry.account, input.UserName],
      input,
      read: inPages(sortedTags(tags), keyOf),
      keyOf,
    });
    return { Tags: [...items], ...rest };
  },
});
