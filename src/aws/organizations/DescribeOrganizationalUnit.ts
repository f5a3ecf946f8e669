import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { UnitId } from "./shapes.ts";
import { unitView } from "./views.ts";

export const DescribeOrganizationalUnit = operation("DescribeOrganizationalUnit", {
  input: { OrganizationalUnitId: UnitId },
  needs: onNodes("organizations:DescribeOrganizationalUnit", ({ OrganizationalUnitId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "UnitNotFound"],
  async run({ OrganizationalUnitId: id }, granted, { organizations }) {
    const { organization, thing } = await organizations.unit(granted, id);
    return { OrganizationalUnit: unitView(organization, thing) };
  },
});
