import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { ParentId, Tags, UnitName } from "./shapes.ts";
import { unitView } from "./views.ts";

export const CreateOrganizationalUnit = operation("CreateOrganizationalUnit", {
  input: { ParentId, Name: UnitName, Tags },
  needs: onNodes("organizations:CreateOrganizationalUnit", ({ ParentId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "ParentNotFound", "DuplicateUnit", "OrganizationConstraint"],
  async run({ ParentId: parentId, Name: name }, granted, { organizations }) {
    const { organization, thing } = await organizations.createUnit(granted, parentId, name);
    return { OrganizationalUnit: unitView(organization, thing) };
  },
});
