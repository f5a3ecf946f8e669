import { listPage } from "./lists.ts";
import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { paged, UserName } from "./policy-shapes.ts";

export const ListUserPolicies = operation("ListUserPolicies", {
  input: { UserName, ...paged },
  needs: onUser("iam:ListUserPolicies"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { inlinePolicies, paging }) {
    const { UserName } = input;
    const { items, ...page } = await listPage(paging, {
      granted,
      of: ["ListUserPolicies", UserName],
      input,
      read: (more) => inlinePolicies.names(granted, "user", UserName, more),
      keyOf: (name) => name,
    });
    return { PolicyNames: [...items], ...page };
  },
});
