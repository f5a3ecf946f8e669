import { pageOf } from "./lists.ts";
import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, paged } from "./policy-shapes.ts";
import { listedVersion } from "./policy-views.ts";

export const ListPolicyVersions = operation("ListPolicyVersions", {
  input: { PolicyArn, ...paged },
  needs: onPolicy("iam:ListPolicyVersions"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { managedPolicies, paging }) {
    const versions = await managedPolicies.versions(granted, input.PolicyArn);
    const of = ["ListPolicyVersions", input.PolicyArn];
    const { items, ...page } = await pageOf(paging, versions, { granted, of, input });
    return { Versions: items.map(listedVersion), ...page };
  },
});
