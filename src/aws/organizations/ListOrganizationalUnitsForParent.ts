import { listOf, pageOf } from "./lists.ts";
import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { ParentId, paged } from "./shapes.ts";
import { unitView } from "./views.ts";

export const ListOrganizationalUnitsForParent = operation("ListOrganizationalUnitsForParent", {
  input: { ParentId, ...paged },
  needs: onNodes("organizations:ListOrganizationalUnitsForParent", ({ ParentId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "ParentNotFound", "InvalidParameter"],
  async run(input, granted, { organizations, paging }) {
    const { organization, thing: units } = await organizations.unitsIn(granted, input.ParentId);
    const list = { paging, of: listOf("ListOrganizationalUnitsForParent", granted, input.ParentId), input };
    const { items, nextToken } = await pageOf(list, units, ({ id }) => id);
    return { OrganizationalUnits: items.map((unit) => unitView(organization, unit)), NextToken: nextToken };
  },
});
