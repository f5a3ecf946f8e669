import { listOf, pageOf } from "./lists.ts";
import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { ourPolicyType, PolicyType, paged, TargetId } from "./shapes.ts";
import { policySummaryView } from "./views.ts";

export const ListPoliciesForTarget = operation("ListPoliciesForTarget", {
  input: { TargetId, Filter: PolicyType, ...paged },
  needs: onNodes("organizations:ListPoliciesForTarget", ({ TargetId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "TargetNotFound", "InvalidParameter"],
  async run(input, granted, { organizations, paging }) {
    const { TargetId: target, Filter } = input;
    const type = ourPolicyType(Filter);
    if (!type) {
      // Only who may ask learns even that.
      await organizations.root(granted);
      return { Policies: [] };
    }
    const { organization, thing: policies } = await organizations.policiesOf(granted, target, type);
    const list = { paging, of: listOf("ListPoliciesForTarget", granted, target, type), input };
    const { items, nextToken } = await pageOf(list, policies, ({ id }) => id);
    return { Policies: items.map((policy) => policySummaryView(organization, policy)), NextToken: nextToken };
  },
});
