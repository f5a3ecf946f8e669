import { pageOf } from "./lists.ts";
import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, paged } from "./policy-shapes.ts";
import { tagsView } from "./role-views.ts";

export const ListPolicyTags = operation("ListPolicyTags", {
  input: { PolicyArn, ...paged },
  needs: onPolicy("iam:ListPolicyTags"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { managedPolicies, paging }) {
    const { tags } = await managedPolicies.get(granted, input.PolicyArn);
    const of = ["ListPolicyTags", input.PolicyArn];
    const { items, ...page } = await pageOf(paging, tagsView(tags), { granted, of, input });
    return { Tags: [...items], ...page };
  },
});
