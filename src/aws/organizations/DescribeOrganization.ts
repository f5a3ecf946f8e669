import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { organizationView } from "./views.ts";

export const DescribeOrganization = operation("DescribeOrganization", {
  input: {},
  needs: onRegistry("organizations:DescribeOrganization"),
  throws: ["OrganizationNotInUse"],
  async run(_, granted, { organizations }) {
    return { Organization: organizationView(await organizations.describeOrganization(granted)) };
  },
});
