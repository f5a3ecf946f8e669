import type { Paged } from "../../domain/identity/ports.ts";
import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { paged, RoleName } from "./shapes.ts";

export const ListRolePolicies = operation("ListRolePolicies", {
  input: { RoleName, ...paged },
  needs: onRole("iam:ListRolePolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { inlinePolicies, paging }) {
    const { RoleName } = input;
    const { items, rest } = await listPage(paging, {
      of: ["ListRolePolicies", granted.registry.account, RoleName],
      input,
      read: (more: Paged<string>) => inlinePolicies.names(granted, "role", RoleName, more),
      keyOf: (name) => name,
    });
    return { PolicyNames: [...items], ...rest };
  },
});
