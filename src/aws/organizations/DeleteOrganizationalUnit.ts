import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { UnitId } from "./shapes.ts";

export const DeleteOrganizationalUnit = operation("DeleteOrganizationalUnit", {
  input: { OrganizationalUnitId: UnitId },
  needs: onNodes("organizations:DeleteOrganizationalUnit", ({ OrganizationalUnitId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "UnitNotFound", "UnitNotEmpty"],
  async run({ OrganizationalUnitId: id }, granted, { organizations }) {
    await organizations.deleteUnit(granted, id);
    return {};
  },
});
