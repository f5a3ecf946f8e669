import { randomUUID } from "node:crypto";
import type { PolicyKind } from "../../policy/document.ts";
import type { Decision } from "../../policy/question.ts";
import type { AccountId } from "../names.ts";
import type { Happening } from "./happening.ts";
import type { Written } from "./ports.ts";
import { timeText, userIdentityOf } from "./user-identity.ts";

const eventVersion = "1.11";
const maxUserAgent = 1000;
const maxMessage = 2000;
/** Of one call: DescribeRepositories may need a hundred. */
const maxDecisions = 10;

/**
 * A happening as CloudTrail writes it (CloudTrail user guide, "CloudTrail record contents"): one record for the account
 * that asked, and one for the account whose content it was, tied together by `sharedEventID` where they differ.
 */
export function recordsOf(happening: Happening): Written[] {
  const { who, account, region, at } = happening;
  const asking = "principal" in who ? who.principal.account : who.claimed?.account;
  const recipients = asking && asking !== account ? [asking, account] : [account];
  const sharedEventID = recipients.length > 1 ? eventIdAt(at) : undefined;
  const shared = JSON.stringify(sharedMembers(happening)).slice(0, -1);
  // Put together as text: another large object costs as much as all the rest.
  const tie = sharedEventID === undefined ? "" : `,"sharedEventID":"${sharedEventID}"`;
  return recipients.map((recipient) => {
    const more = additional(happening, recipient);
    const data = more === undefined ? "" : `,"additionalEventData":${JSON.stringify(more)}`;
    const own = `,"eventID":"${eventIdAt(at)}"${tie}${data},"recipientAccountId":${JSON.stringify(recipient)}}`;
    return { account: recipient, region, at: new Date(at), record: shared + own };
  });
}

function sharedMembers(happening: Happening): Record<string, unknown> {
  const { at, arrival, who, account, region, service, operation, readOnly, failure, serviceEvent } = happening;
  return {
    eventVersion,
    userIdentity: userIdentityOf(who),
    eventTime: timeText(at),
    eventSource: `${service}.amazonaws.com`,
    eventName: operation,
    awsRegion: region,
    sourceIPAddress: arrival.sourceIp,
    userAgent: arrival.userAgent?.slice(0, maxUserAgent).toWellFormed(),
    errorCode: failure?.code,
    errorMessage: failure?.message.slice(0, maxMessage).toWellFormed(),
    requestParameters: happening.input ?? null,
    responseElements: happening.output ?? null,
    requestID: arrival.requestId,
    readOnly,
    resources: resourcesOf(happening, account),
    eventType: serviceEvent ? "AwsServiceEvent" : "AwsApiCall",
    serviceEventDetails: serviceEvent,
    managementEvent: true,
    eventCategory: "Management",
  };
}

/** What CloudTrail has no members for: how the registry was asked, and what the gate said and why. */
function additional(
  { arrival, who, account, route, digest, needs, decisions, failure }: Happening,
  recipient: AccountId,
): object | undefined {
  const denial = failure?.denial;
  const asking = "principal" in who ? who.principal.account || account : account;
  const mayName = (kind: PolicyKind) => recipient === (kindsOfResources.has(kind) ? account : asking);
  const authorization: object[] = [];
  for (const [index, decision] of (decisions ?? []).slice(0, maxDecisions).entries()) {
    const need = needs?.[index];
    // What was allowed before something else was refused is not what the request came to.
    if (need && need.action !== denial?.action) authorization.push(decided(need, decision, mayName));
  }
  if (denial) authorization.push(decided(denial, { allowed: false, ...denial }, mayName));
  const authenticationMethod = "principal" in who ? who.method : undefined;
  const notShown = (decisions?.length ?? 0) - maxDecisions;
  const members = {
    authenticationMethod,
    clientCertificate: certificateShown(arrival),
    route,
    imageDigest: digest,
    authorization: authorization.length > 0 ? authorization : undefined,
    decisionsNotShown: notShown > 0 ? notShown : undefined,
  };
  return Object.values(members).some((member) => member !== undefined) ? members : undefined;
}

/** Also where somebody signed in with something else: it came on that connection. */
function certificateShown({ certificate }: Happening["arrival"]): object | undefined {
  if (!certificate) return undefined;
  const { serial: serialNumber, subject, issuer } = certificate;
  return { serialNumber, subject, issuer };
}

/** What hangs on a resource, or over it: the account has it that the resource is in. */
const kindsOfResources: ReadonlySet<PolicyKind> = new Set(["repository", "registry", "trust", "resource-control"]);

/** @param mayName whether the reader's account has policies of the kind: another's are not its to know */
function decided(
  need: { action: string; resource: string },
  { allowed, because, statement }: Decision,
  mayName: (kind: PolicyKind) => boolean,
): object {
  return {
    action: need.action,
    resource: need.resource,
    decision: allowed ? "allowed" : "denied",
    because,
    statement:
      statement && mayName(statement.policy.kind)
        ? {
            policyType: statement.policy.kind,
            policy: statement.policy.name,
            sid: statement.sid,
            index: statement.index,
          }
        : undefined,
  };
}

function resourcesOf({ needs = [], failure }: Happening, account: AccountId) {
  const arns = new Set<string>();
  for (const { resource } of needs) {
    if (resource !== "*" && !resource.endsWith("/*")) arns.add(resource);
    if (arns.size === maxDecisions) break;
  }
  if (failure?.denial && failure.denial.resource !== "*") arns.add(failure.denial.resource);
  if (arns.size === 0) return undefined;
  return [...arns].map((ARN) => {
    const [, , service, , owner = "", rest = ""] = ARN.split(":");
    return { ARN, accountId: isAccount(owner) ? owner : account, type: typeOf(service, rest) };
  });
}

function isAccount(text: string): boolean {
  return /^\d{12}$/.test(text);
}

const iamTypes: Readonly<Record<string, string>> = {
  user: "AWS::IAM::User",
  group: "AWS::IAM::Group",
  role: "AWS::IAM::Role",
  policy: "AWS::IAM::Policy",
  "oidc-provider": "AWS::IAM::OIDCProvider",
};

/** As CloudFormation names resource types, where it has one. */
function typeOf(service: string | undefined, rest: string): string | undefined {
  const kind = rest.split("/")[0] ?? "";
  if (service === "ecr" && kind === "repository") return "AWS::ECR::Repository";
  if (service === "ecr-public" && kind === "repository") return "AWS::ECR::PublicRepository";
  if (service === "iam") return iamTypes[kind];
  if (service === "kms") return kind === "alias" ? "AWS::KMS::Alias" : "AWS::KMS::Key";
  if (service === "secretsmanager") return "AWS::SecretsManager::Secret";
  if (service === "organizations")
    return kind === "policy" ? "AWS::Organizations::Policy" : "AWS::Organizations::Account";
  return undefined;
}

/**
 * A UUID of version 7 (RFC 9562): it says when it was made, so that a record is found by its id alone without an index
 * of random values, which every pull would have to pay for.
 */
export function eventIdAt(ms: number): string {
  const hex = ms.toString(16).padStart(12, "0");
  // The rest of a random UUID, behind its version.
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${randomUUID().slice(15)}`;
}

/** When the record with the id was made. `undefined` for an id that is not one of ours. */
export function timeOfEventId(id: string): number | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.exec(id);
  return match ? Number.parseInt(`${match[1]}${match[2]}`, 16) : undefined;
}
