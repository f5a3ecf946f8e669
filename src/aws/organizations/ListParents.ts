import { nodeKindOf } from "../../domain/identity/organization-names.ts";
import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { ChildId, paged } from "./shapes.ts";

export const ListParents = operation("ListParents", {
  input: { ChildId, ...paged },
  needs: onNodes("organizations:ListParents", ({ ChildId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "ChildNotFound"],
  async run({ ChildId: id }, granted, { organizations }) {
    const parent = await organizations.parentOf(granted, id);
    const type = nodeKindOf(parent) === "root" ? ("ROOT" as const) : ("ORGANIZATIONAL_UNIT" as const);
    return { Parents: [{ Id: parent, Type: type }] };
  },
});
