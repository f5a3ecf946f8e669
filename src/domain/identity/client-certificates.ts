import type { Access, Arrival, ClientCertificate, Need, Principal, Session } from "../access.ts";
import { refuse } from "../errors.ts";
import { createFresh } from "../fresh.ts";
import type { AccountId, Arn, Region } from "../names.ts";
import { type CertificateIdentity, createCertificateMatcher } from "./certificate-identities.ts";
import { rolePrincipal, userPrincipal } from "./credentials.ts";
import type { Identity, IdentityNouns } from "./ports.ts";
import { findIdentity } from "./role-resources.ts";

/** Who comes with a certificate in place of a key. */
export interface ClientCertificates {
  /** The user that a certificate stands for, or a session of its role. @throws AccessDenied where the role does not trust it */
  identify(certificate: ClientCertificate, arrival: Arrival, region: Region): Promise<Identified>;
  /**
   * Who assumes a role in the name of a certificate that stands for it, with the session that it is to be.
   * @throws AccessDenied for any other certificate
   */
  assumerOf(certificate: ClientCertificate | undefined, role: Arn): Assumer;
}

/** A service that assumes a role for somebody. */
export interface Assumer extends Principal {
  readonly session: Session & { readonly name: string };
}

export type Identified =
  | { readonly state: "known"; readonly principal: Principal }
  /** It stands for nobody. */
  | { readonly state: "unknown" }
  /** Whom it stands for is not there. */
  | { readonly state: "gone"; readonly arn: Arn };

export interface ClientCertificatesParts {
  readonly identities: readonly CertificateIdentity[];
  readonly read: Pick<IdentityNouns, "identities">;
  readonly access: Pick<Access, "grant">;
  readonly clock: () => Date;
}

/** What AWS's own service for this is called in trust policies (IAM Roles Anywhere user guide, "Trust model"). */
const service: Principal = {
  kind: "service",
  account: "" as AccountId,
  arn: "rolesanywhere.amazonaws.com",
  userId: "rolesanywhere.amazonaws.com",
};

const maxEntries = 1000;

/**
 * Certificates as IAM Roles Anywhere takes them: a role has to trust its service, and its trust policy may ask about the
 * certificate. There are no sessions to be kept: each request is asked about anew, with answers half a second old at most.
 */
export function createClientCertificates(parts: ClientCertificatesParts): ClientCertificates {
  const { identities, read, access, clock } = parts;
  const principalOf = createCertificateMatcher(identities);
  const known = createFresh<Identity | undefined>({
    read: (arn) => findIdentity(read, arn),
    maxEntries,
    keeps: (identity) => identity !== undefined,
  });

  return {
    async identify(certificate, arrival, region) {
      const arn = principalOf(certificate);
      if (arn === undefined) return { state: "unknown" };
      const identity = await known.get(arn);
      if (!identity) return { state: "gone", arn };
      if (identity.kind === "user") return { state: "known", principal: userPrincipal(identity) };
      const session = sessionOf(certificate, clock());
      const registry = { account: identity.account, region };
      await access.grant({ ...arrival, principal: service }, registry, needsOf(arn, session));
      return { state: "known", principal: rolePrincipal(identity, session) };
    },
    assumerOf(certificate, role) {
      if (certificate && principalOf(certificate) === role) {
        return { ...service, session: sessionOf(certificate, clock()) };
      }
      const principal = certificate ? `the client certificate (${certificate.subject})` : "anonymous";
      const because = "because no certificate that stands for it was shown";
      throw refuse("AccessDenied", { principal, action: "sts:AssumeRole", resource: role, because });
    },
  };
}

function sessionOf(certificate: ClientCertificate, now: Date): Session & { name: string } {
  const { serial, commonName, issuerCommonName, uris, dnsNames } = certificate;
  const named: [string, string | undefined][] = [
    ["x509Subject/CN", commonName],
    ["x509Issuer/CN", issuerCommonName],
    ["x509SAN/URI", uris[0]],
    ["x509SAN/DNS", dnsNames[0]],
  ];
  const tags = named.filter((tag): tag is [string, string] => tag[1] !== undefined && tagValue.test(tag[1]));
  return {
    issuedAt: now.getTime(),
    name: serial.slice(0, 64),
    tags: tags.length > 0 ? Object.fromEntries(tags) : undefined,
    sourceIdentity: commonName !== undefined && sourceIdentity.test(commonName) ? commonName : undefined,
  };
}

/** What cannot be a tag or a source identity is none: a policy that asks for it does not find it. */
const tagValue = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$/u;
const sourceIdentity = /^[\w+=,.@-]{2,64}$/;

/** What a trust policy has to allow, and what its conditions may ask about. */
export function needsOf(resource: Arn, { name, tags, sourceIdentity }: Session): Need[] {
  const facts: Record<string, string | readonly string[] | undefined> = {
    "sts:rolesessionname": name,
    "sts:sourceidentity": sourceIdentity,
    "aws:tagkeys": tags && Object.keys(tags),
  };
  for (const [key, value] of Object.entries(tags ?? {})) {
    facts[`aws:requesttag/${key.toLowerCase()}`] = value;
    // As Roles Anywhere has it, already while the role is being assumed.
    facts[`aws:principaltag/${key.toLowerCase()}`] = value;
  }
  const needs: Need[] = [{ action: "sts:AssumeRole", resource, facts }];
  if (tags) needs.push({ action: "sts:TagSession", resource, facts });
  if (sourceIdentity !== undefined) needs.push({ action: "sts:SetSourceIdentity", resource, facts });
  return needs;
}
