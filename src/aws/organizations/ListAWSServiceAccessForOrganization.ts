import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { paged } from "./shapes.ts";

/** There is no other service to give access to; infrastructure as code asks all the same. */
export const ListAWSServiceAccessForOrganization = operation("ListAWSServiceAccessForOrganization", {
  input: { ...paged },
  needs: onRegistry("organizations:ListAWSServiceAccessForOrganization"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied"],
  async run(_, granted, { organizations }) {
    await organizations.root(granted);
    return { EnabledServicePrincipals: [] };
  },
});
