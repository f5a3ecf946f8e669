import { onRegistry } from "../operation.ts";
import { listOf, pageOf } from "./lists.ts";
import { operation } from "./operation.ts";
import { ourPolicyType, PolicyType, paged } from "./shapes.ts";
import { policySummaryView } from "./views.ts";

export const ListPolicies = operation("ListPolicies", {
  input: { Filter: PolicyType, ...paged },
  needs: onRegistry("organizations:ListPolicies"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "InvalidParameter"],
  async run(input, granted, { organizations, paging }) {
    const type = ourPolicyType(input.Filter);
    if (!type) {
      // Only who may ask learns even that.
      await organizations.root(granted);
      return { Policies: [] };
    }
    const { organization, thing: policies } = await organizations.policies(granted, type);
    const list = { paging, of: listOf("ListPolicies", granted, type), input };
    const { items, nextToken } = await pageOf(list, policies, ({ id }) => id);
    return { Policies: items.map((policy) => policySummaryView(organization, policy)), NextToken: nextToken };
  },
});
