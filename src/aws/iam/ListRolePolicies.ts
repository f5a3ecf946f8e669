import { listPage } from "./lists.ts";
import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { paged, RoleName } from "./policy-shapes.ts";

export const ListRolePolicies = operation("ListRolePolicies", {
  input: { RoleName, ...paged },
  needs: onRole("iam:ListRolePolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { inlinePolicies, paging }) {
    const { RoleName } = input;
    const { items, ...page } = await listPage(paging, {
      granted,
      of: ["ListRolePolicies", RoleName],
      input,
      read: (more) => inlinePolicies.names(granted, "role", RoleName, more),
      keyOf: (name) => name,
    });
    return { PolicyNames: [...items], ...page };
  },
});
