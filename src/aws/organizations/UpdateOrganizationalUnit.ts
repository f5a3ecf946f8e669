import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { UnitId, UnitName } from "./shapes.ts";
import { unitView } from "./views.ts";

export const UpdateOrganizationalUnit = operation("UpdateOrganizationalUnit", {
  input: { OrganizationalUnitId: UnitId, Name: UnitName.optional() },
  needs: onNodes("organizations:UpdateOrganizationalUnit", ({ OrganizationalUnitId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "UnitNotFound", "DuplicateUnit"],
  async run({ OrganizationalUnitId: id, Name: name }, granted, { organizations }) {
    const { organization, thing } = await organizations.renameUnit(granted, id, name);
    return { OrganizationalUnit: unitView(organization, thing) };
  },
});
