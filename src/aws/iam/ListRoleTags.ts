import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { paged, RoleName } from "./shapes.ts";
import { sortedTags } from "./views.ts";

export const ListRoleTags = operation("ListRoleTags", {
  input: { RoleName, ...paged },
  needs: onRole("iam:ListRoleTags"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { roles, paging }) {
    const { tags } = await roles.get(granted, input.RoleName);
    const keyOf = ({ Key }: { Key: string }) => Key;
    const { items, rest } = await listPage(paging, {
      of: ["ListRoleTags", granted.registry.account, input.RoleName],
      input,
      read: inPages(sortedTags(tags), keyOf),
      keyOf,
    });
    return { Tags: [...items], ...rest };
  },
});
