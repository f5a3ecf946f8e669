import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { paged } from "./shapes.ts";

/** Nobody can be made one; infrastructure as code asks all the same. */
export const ListDelegatedAdministrators = operation("ListDelegatedAdministrators", {
  input: { ServicePrincipal: z.string().min(1).max(128).optional(), ...paged },
  needs: onRegistry("organizations:ListDelegatedAdministrators"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied"],
  async run(_, granted, { organizations }) {
    await organizations.root(granted);
    return { DelegatedAdministrators: [] };
  },
});
