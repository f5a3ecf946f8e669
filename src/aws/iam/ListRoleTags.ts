import { pageOf } from "./lists.ts";
import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { paged, RoleName } from "./policy-shapes.ts";
import { tagsView } from "./role-views.ts";

export const ListRoleTags = operation("ListRoleTags", {
  input: { RoleName, ...paged },
  needs: onRole("iam:ListRoleTags"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { roles, paging }) {
    const { tags } = await roles.get(granted, input.RoleName);
    const of = ["ListRoleTags", input.RoleName];
    const { items, ...page } = await pageOf(paging, tagsView(tags), { granted, of, input });
    return { Tags: [...items], ...page };
  },
});
