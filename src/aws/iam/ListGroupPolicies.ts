import type { Paged } from "../../domain/identity/ports.ts";
import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { GroupName, paged } from "./shapes.ts";

export const ListGroupPolicies = operation("ListGroupPolicies", {
  input: { GroupName, ...paged },
  needs: onGroup("iam:ListGroupPolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { inlinePolicies, paging }) {
    const { GroupName } = input;
    const { items, rest } = await listPage(paging, {
      of: ["ListGroupPolicies", granted.registry.account, GroupName],
      input,
      read: (more: Paged<string>) => inlinePolicies.names(granted, "group", GroupName, more),
      keyOf: (name) => name,
    });
    return { PolicyNames: [...items], ...rest };
  },
});
