import { type Credentials, createCredentials, type RootKey } from "./credentials.ts";
import { createKeyUses, type KeyUses } from "./key-uses.ts";
import { createKnown, type KnownParts, type OrganizationView } from "./known.ts";
import type { IdentityMetadata } from "./ports.ts";
import { createPrincipals, type Principals } from "./principals.ts";
import { createRegistryTokens, type RegistryTokens } from "./registry-tokens.ts";
import type { Sealer } from "./sealer.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { createWebIdentities, type IssuerKeys, type WebIdentities } from "./web-identity.ts";

export interface WhoIsWhoParts extends Pick<KnownParts, "compile" | "managedDocument"> {
  readonly metadata: IdentityMetadata;
  readonly root: RootKey;
  readonly sealer: Sealer;
  readonly organization: OrganizationView;
  readonly issuerKeys: IssuerKeys;
  readonly clock: () => Date;
}

/** Everything that says who somebody is. */
export interface WhoIsWho {
  readonly credentials: Credentials;
  readonly registryTokens: RegistryTokens;
  readonly principals: Principals;
  readonly sessions: Sessions;
  readonly webIdentities: WebIdentities;
  readonly keyUses: KeyUses;
}

export function createWhoIsWho(parts: WhoIsWhoParts): WhoIsWho {
  const { metadata, root, sealer, compile, managedDocument, organization, issuerKeys, clock } = parts;
  const { read } = metadata;
  const known = createKnown({ read, compile, managedDocument, root });
  const keyUses = createKeyUses({ metadata, clock });
  const credentials = createCredentials({ root, known, uses: keyUses, sealer, clock });
  return {
    credentials,
    registryTokens: createRegistryTokens({ sealer, credentials, clock }),
    principals: createPrincipals({ known, compile, organization, read, clock }),
    sessions: createSessions({ read, known, credentials, clock }),
    webIdentities: createWebIdentities({ read, issuerKeys, clock }),
    keyUses,
  };
}
