import type { PolicyKind } from "../policy/document.ts";
import type { DecidingStatement, Decision, Explanation, LayerVerdict } from "../policy/question.ts";
import type { Access, Caller, Facts, Granted, Need, Principal } from "./access.ts";
import { refuse } from "./errors.ts";
import { type AccountId, type Arn, parseAccountId, parseRegion, type Registry } from "./names.ts";

/** Whoever an ARN names, as its next request would be decided. Identity keeps it. */
export interface PrincipalDirectory {
  /** `undefined` for an ARN that names nobody. A role stands for a session of its own without session policies. */
  describe(arn: string): Promise<Principal | undefined>;
}

/** What was refused, as the audit trail has it. */
export interface RecordedDenial {
  readonly requestId: string;
  readonly at: Date;
  readonly principalArn: string;
  /** Of the role, for a session's. */
  readonly identityArn?: string;
  readonly action: Need["action"];
  readonly resource: Arn | "*";
  readonly decision: Decision;
  readonly facts?: Facts;
}

export interface Denials {
  /** Of a principal of the account, or on a resource of it, in the region where it was asked. */
  denialOf(requestId: string, registry: Registry): Promise<RecordedDenial | undefined>;
}

export interface AskedDecision {
  /** Left out: whoever asks. */
  readonly principalArn?: string;
  readonly action: Need["action"];
  readonly resource: Arn | "*";
  /** Condition keys in lower case. They count on the asker's own account's resources only. */
  readonly context?: Facts;
}

/** A decision and why, as far as whoever asks may know. */
export interface Answer extends Explanation {
  readonly principalArn: string;
  readonly action: string;
  readonly resource: string;
  /** Whether policies may have had a say that whoever asks may not read: then they are not named, nor what they ask for. */
  readonly withheld: boolean;
}

export interface DenialAnswer extends Answer {
  readonly requestId: string;
  readonly deniedAt: Date;
  /** Whether the same request would be allowed by now. */
  readonly allowedNow: boolean;
}

export interface ExplanationService {
  /** @throws Refusal NoSuchEntity for a principal that is not there */
  ofDecision(granted: Granted, asked: AskedDecision): Promise<Answer>;
  /** @throws Refusal NoSuchEntity where there is none, and where whoever asks may not know of it */
  ofDenial(granted: Granted, requestId: string): Promise<DenialAnswer>;
}

export interface ExplanationParts {
  readonly access: Access;
  readonly principals: PrincipalDirectory;
  readonly denials: Denials;
}

/** What opens the decisions about a principal to others. */
export function needToExplain(principalArn: string): Need {
  return { action: "iam:SimulatePrincipalPolicy", resource: principalArn as Arn };
}

/** Everybody may ask about themselves. A session asks for itself, not for its role's other sessions. */
export function isSelf(principal: Principal, arn: string): boolean {
  return arn === principal.arn;
}

/** Facts of the asker's own request: of another's, nobody knows them. */
const unknownOfOthers: Facts = {
  "aws:sourceip": undefined,
  "aws:useragent": undefined,
  "aws:securetransport": undefined,
};

export function createExplanations({ access, principals, denials }: ExplanationParts): ExplanationService {
  async function explain(caller: Caller, registry: Registry, principal: Principal | undefined, asked: AskedDecision) {
    const { action, resource, context } = asked;
    const place = placeOf(resource) ?? { account: principal?.account ?? registry.account };
    const need: Need = { action, resource, facts: context };
    // Somebody who is gone has no policies any more.
    if (!principal) return { allowed: false, because: "because the principal is gone", layers: [], missingKeys: [] };
    return access.explain({ ...caller, principal }, { region: registry.region, ...place }, need);
  }

  /** Whether the asker may read the principal's policies, rather than only know what is decided about itself. */
  function mayRead(caller: Caller, registry: Registry, principalArn: string): Promise<boolean> {
    const account = placeOf(principalArn)?.account ?? registry.account;
    return access.allows(caller, { ...registry, account }, needToExplain(principalArn));
  }

  return {
    async ofDecision({ caller, registry }, asked) {
      const own = asked.principalArn === undefined || isSelf(caller.principal, asked.principalArn);
      const principal = own ? caller.principal : await principals.describe(asked.principalArn ?? "");
      if (!principal) throw refuse("NoSuchEntity", { reason: `The principal ${asked.principalArn} does not exist` });
      const ownsResource = isIn(caller.principal.account, asked.resource);
      // Facts at will would try out what another account's policies ask for, without a request that it could see.
      const given = ownsResource ? asked.context : undefined;
      const context = own ? given : { ...unknownOfOthers, ...given };
      const explanation = await explain(caller, registry, principal, { ...asked, context });
      const isReader = await mayRead(caller, registry, principal.identityArn ?? principal.arn);
      const shown = forReader(explanation, isReader, ownsResource);
      return { ...shown, principalArn: principal.arn, action: asked.action, resource: asked.resource };
    },

    async ofDenial({ caller, registry }, requestId) {
      const denial = await denials.denialOf(requestId, { ...registry, account: caller.principal.account });
      const unknown = () => refuse("NoSuchEntity", { reason: `There is no denial of a request ${requestId}` });
      if (!denial) throw unknown();
      const { principalArn, identityArn = principalArn, action, resource, decision, at, facts } = denial;
      const isReader = await mayRead(caller, registry, identityArn);
      // The same answer as for a request that never was: the id of somebody's request opens nothing.
      const own = isSelf(caller.principal, principalArn);
      if (!own && !isReader) throw unknown();

      const principal = own ? caller.principal : await principals.describe(identityArn);
      const now = await explain(caller, registry, principal, {
        action,
        resource,
        context: { ...unknownOfOthers, ...facts },
      });
      // Why it was denied is what was recorded; who has a say in it is what is there today.
      const explanation = { ...now, ...decision, statement: decision.statement };
      const shown = forReader(explanation, isReader, isIn(caller.principal.account, resource));
      return { ...shown, principalArn, action, resource, requestId, deniedAt: at, allowedNow: now.allowed };
    },
  };
}

const ownKinds: readonly PolicyKind[] = ["identity", "boundary", "session"];

/**
 * Leaves out what is not the asker's to read. Of policies on others' resources not even their being there is told, unless
 * one denies explicitly: that much every refusal says.
 */
function forReader(
  explanation: Explanation,
  isReader: boolean,
  ownsResource: boolean,
): Explanation & { withheld: boolean } {
  const mayName = (kind: PolicyKind) =>
    ownKinds.includes(kind) || (isReader && (ownsResource || kind === "service-control"));
  const layers = explanation.layers.flatMap((layer): LayerVerdict[] => {
    if (mayName(layer.kind)) return [layer];
    const isTold = layer.kind === "service-control" || layer.verdict === "explicitDeny";
    return isTold ? [{ ...layer, statements: [] }] : [];
  });
  const statement: DecidingStatement | undefined = explanation.statement;
  const withheld = !isReader || !ownsResource;
  return {
    allowed: explanation.allowed,
    because: explanation.because,
    statement: statement && mayName(statement.policy.kind) ? statement : undefined,
    layers,
    missingKeys: withheld ? [] : explanation.missingKeys,
    withheld,
  };
}

/** Account and region of an ARN, as far as it has them. */
function placeOf(resource: string): { account: AccountId; region?: Registry["region"] } | undefined {
  const [, , , region = "", account = ""] = resource.split(":");
  const parsed = parseAccountId(account);
  if (!parsed) return undefined;
  const parsedRegion = parseRegion(region);
  return parsedRegion ? { account: parsed, region: parsedRegion } : { account: parsed };
}

/** What has no owner, such as `*`, is everybody's own. */
function isIn(account: AccountId, resource: string): boolean {
  return (placeOf(resource)?.account ?? account) === account;
}
