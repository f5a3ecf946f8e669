import { createAccounts } from "./accounts.ts";
import { awsManagedDocument } from "./aws-managed-policies.ts";
import { createPrincipalDirectory } from "./directory.ts";
import { createIamServices } from "./iam-services.ts";
import type { CompilePolicy } from "./known.ts";
import { createOrganizationStandings } from "./organization-standing.ts";
import { createOrganizations } from "./organizations.ts";
import { createRoleResources } from "./role-resources.ts";
import { createWhoIsWho, type WhoIsWhoParts } from "./who-is-who.ts";

export interface IdentityParts extends Omit<WhoIsWhoParts, "organization" | "managedDocument"> {
  readonly compile: CompilePolicy;
  /** Whether an issuer on this machine may do without TLS. */
  readonly allowInsecureIssuers: boolean;
}

/** The whole of identity: who is who, what each of them may do, and what changes it. */
export function createIdentity(parts: IdentityParts) {
  const { metadata, root, sealer, compile, clock, allowInsecureIssuers } = parts;
  const organizationStandings = createOrganizationStandings({ metadata, compile });
  const whoIsWho = createWhoIsWho({
    ...parts,
    managedDocument: awsManagedDocument,
    organization: organizationStandings,
  });
  const { principals } = whoIsWho;
  const directory = createPrincipalDirectory({ metadata });
  const { changed } = principals;
  const organizationChanged = () => {
    organizationStandings.changed();
    changed();
  };
  const configured = root.account;
  return {
    ...whoIsWho,
    directory,
    organizationStandings,
    roleResources: createRoleResources({ read: metadata.read, compile }),
    accounts: createAccounts({ metadata, sealer, configured, clock }),
    organizations: createOrganizations({ metadata, configured, clock, changed: organizationChanged }),
    iam: createIamServices({ metadata, sealer, directory, principals, clock, allowInsecureIssuers, changed }),
  };
}
