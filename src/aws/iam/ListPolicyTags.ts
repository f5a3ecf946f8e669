import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { inPages, listPage } from "./paging.ts";
import { PolicyArn, paged } from "./shapes.ts";
import { sortedTags } from "./views.ts";

export const ListPolicyTags = operation("ListPolicyTags", {
  input: { PolicyArn, ...paged },
  needs: onPolicy("iam:ListPolicyTags"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { managedPolicies, paging }) {
    const { tags } = await managedPolicies.get(granted, input.PolicyArn);
    const keyOf = ({ Key }: { Key: string }) => Key;
    const { items, rest } = await listPage(paging, {
      of: ["ListPolicyTags", granted.registry.account, input.PolicyArn],
      input,
      read: inPages(sortedTags(tags), keyOf),
      keyOf,
    });
    return { Tags: [...items], ...rest };
  },
});
