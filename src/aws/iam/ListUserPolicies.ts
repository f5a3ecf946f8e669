import type { Paged } from "../../domain/identity/ports.ts";
import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { ExistingUserName, paged } from "./shapes.ts";

export const ListUserPolicies = operation("ListUserPolicies", {
  input: { UserName: ExistingUserName, ...paged },
  needs: onUser("iam:ListUserPolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { inlinePolicies, paging }) {
    const { UserName } = input;
    const { items, rest } = await listPage(paging, {
      of: ["ListUserPolicies", granted.registry.account, UserName],
      input,
      read: (more: Paged<string>) => inlinePolicies.names(granted, "user", UserName, more),
      keyOf: (name) => name,
    });
    return { PolicyNames: [...items], ...rest };
  },
});
