import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const DeleteOrganization = operation("DeleteOrganization", {
  input: {},
  needs: onRegistry("organizations:DeleteOrganization"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "OrganizationNotEmpty"],
  async run(_, granted, { organizations }) {
    await organizations.deleteOrganization(granted);
    return {};
  },
});
