import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { organizationView } from "./views.ts";

export const CreateOrganization = operation("CreateOrganization", {
  input: { FeatureSet: z.enum(["ALL", "CONSOLIDATED_BILLING"]).optional() },
  needs: onRegistry("organizations:CreateOrganization"),
  throws: ["AlreadyInOrganization", "OrganizationsDenied", "OrganizationInput"],
  async run({ FeatureSet }, granted, { organizations }) {
    // There is nothing to bill.
    if (FeatureSet === "CONSOLIDATED_BILLING") {
      throw refuse("OrganizationInput", { reason: "INVALID_ENUM", message: "You specified an invalid value." });
    }
    return { Organization: organizationView(await organizations.createOrganization(granted)) };
  },
});
