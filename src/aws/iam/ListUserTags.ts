import { onUser } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { sortedTags } from "./role-views.ts";
import { ExistingUserName, Marker, MaxItems } from "./shapes.ts";

export const ListUserTags = operation("ListUserTags", {
  input: { UserName: ExistingUserName, Marker, MaxItems },
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
