import { listPage } from "./lists.ts";
import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { GroupName, paged } from "./policy-shapes.ts";

export const ListGroupPolicies = operation("ListGroupPolicies", {
  input: { GroupName, ...paged },
  needs: onGroup("iam:ListGroupPolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { inlinePolicies, paging }) {
    const { GroupName } = input;
    const { items, ...page } = await listPage(paging, {
      granted,
      of: ["ListGroupPolicies", GroupName],
      input,
      read: (more) => inlinePolicies.names(granted, "group", GroupName, more),
      keyOf: (name) => name,
    });
    return { PolicyNames: [...items], ...page };
  },
});
