import { listOf, pageOf } from "./lists.ts";
import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyId, paged } from "./shapes.ts";
import { targetView } from "./views.ts";

export const ListTargetsForPolicy = operation("ListTargetsForPolicy", {
  input: { PolicyId, ...paged },
  needs: onPolicy("organizations:ListTargetsForPolicy"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "OrganizationPolicyNotFound", "InvalidParameter"],
  async run(input, granted, { organizations, paging }) {
    const { organization, thing: targets } = await organizations.targetsOf(granted, input.PolicyId);
    const list = { paging, of: listOf("ListTargetsForPolicy", granted, input.PolicyId), input };
    const { items, nextToken } = await pageOf(list, targets, ({ id }) => id);
    return { Targets: items.map((target) => targetView(organization, target)), NextToken: nextToken };
  },
});
