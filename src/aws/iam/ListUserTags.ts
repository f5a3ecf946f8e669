import { operation } from "./operation.ts";
import { listOf } from "./paging.ts";
import { ExistingUserName, Marker, MaxItems } from "./shapes.ts";
import { onUser } from "./subject.ts";
import { tagsView } from "./views.ts";

export const ListUserTags = operation("ListUserTags", {
  input: { UserName: ExistingUserName, Marker, MaxItems },
  needs: onUser("iam:ListUserTags"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { users, paging }) {
    const { tags } = await users.get(granted, input.UserName);
    const { items, rest } = await listOf(paging, {
      of: ["ListUserTags", granted.registry.account, input.UserName],
      input,
      items: tagsView(tags),
      keyOf: ({ Key }) => Key,
    });
    return { Tags: [...items], ...rest };
  },
});
