import type { Principal } from "../access.ts";
import type { Who } from "./happening.ts";

/** Who it was, as CloudTrail writes it (CloudTrail user guide, "CloudTrail userIdentity element"). */
export function userIdentityOf(who: Who): Record<string, unknown> {
  if (!("principal" in who)) return strangerOf(who.claimed);
  const { principal, accessKeyId } = who;
  const { kind, account: accountId, arn, userId: principalId, session } = principal;
  switch (kind) {
    case "root":
      return { type: "Root", principalId, arn, accountId, accessKeyId, sessionContext: sessionOf(principal) };
    case "user": {
      const type = "IAMUser";
      const userName = usernameOf(who);
      return { type, principalId, arn, accountId, accessKeyId, userName, sessionContext: sessionOf(principal) };
    }
    case "role":
      return { type: "AssumedRole", principalId, arn, accountId, accessKeyId, sessionContext: sessionOf(principal) };
    case "federated":
      return { type: "FederatedUser", principalId, arn, accountId, accessKeyId, sessionContext: sessionOf(principal) };
    case "web-identity": {
      const userName = usernameOf(who);
      return { type: "WebIdentityUser", principalId, userName, identityProvider: session?.provider };
    }
    case "anonymous":
      return strangerOf(undefined);
    case "service":
      return { type: "AWSService", invokedBy: arn };
  }
}

/** What `LookupEvents` finds a record by. */
function usernameOf(who: Who): string | undefined {
  if (!("principal" in who)) return undefined;
  const { kind, arn, userId, session } = who.principal;
  switch (kind) {
    case "root":
      return "root";
    case "anonymous":
      return undefined;
    case "web-identity":
      return subjectOf(who.principal) ?? userId;
    case "role":
      return session?.name ?? afterSlash(arn);
    default:
      return afterSlash(arn);
  }
}

function strangerOf(claimed: { accessKeyId: string; account?: string } | undefined): Record<string, unknown> {
  if (!claimed) return { type: "AWSAccount", principalId: "", accountId: "ANONYMOUS_PRINCIPAL" };
  // Named and not proven: it must not look as if the key's owner had been there.
  return { type: "Unknown", principalId: "", accountId: claimed.account, accessKeyId: claimed.accessKeyId };
}

/** Only temporary credentials have one. */
function sessionOf({ kind, account, identityArn, identityId, session }: Principal): unknown {
  if (!session) return undefined;
  const { issuedAt, sourceIdentity, provider, claims } = session;
  const issuer = identityArn && {
    type: kind === "role" ? "Role" : "IAMUser",
    principalId: identityId,
    arn: identityArn,
    accountId: account,
    userName: afterSlash(identityArn),
  };
  return {
    sessionIssuer: issuer,
    webIdFederationData: provider && { federatedProvider: provider, attributes: claims },
    attributes: { creationDate: timeText(issuedAt), mfaAuthenticated: "false" },
    sourceIdentity,
  };
}

function subjectOf({ session }: Principal): string | undefined {
  const entry = Object.entries(session?.claims ?? {}).find(([key]) => key.endsWith(":sub"));
  return typeof entry?.[1] === "string" ? entry[1] : undefined;
}

function afterSlash(arn: string): string {
  return arn.slice(arn.lastIndexOf("/") + 1);
}

/** To the second, as CloudTrail gives times. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
