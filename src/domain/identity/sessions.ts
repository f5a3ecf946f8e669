import { checkPolicyDocument } from "../../policy/document.ts";
import type { Granted, Principal, Session } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Arn } from "../names.ts";
import {
  type Credentials,
  federatedPrincipal,
  rolePrincipal,
  type SessionCredentials,
  type SigningKey,
} from "./credentials.ts";
import type { Known } from "./known.ts";
import type { Identity, IdentityNouns } from "./ports.ts";
import { findIdentity } from "./role-resources.ts";
import { claimsForSession } from "./web-identity.ts";

/** What somebody wants a session to be like (STS API reference, AssumeRole). */
export interface SessionWish {
  readonly name: string;
  readonly seconds?: number;
  readonly policy?: string;
  readonly policyArns?: readonly string[];
  readonly tags?: readonly SessionTag[];
  readonly transitiveTagKeys?: readonly string[];
  readonly sourceIdentity?: string;
}

export interface SessionTag {
  readonly key: string;
  readonly value: string;
}

export interface MadeSession {
  readonly principal: Principal;
  readonly credentials: SessionCredentials;
  /** How much of the room for policies and tags is used. Absent where there are none. */
  readonly packedPercent?: number;
}

/** Makes sessions. Whoever calls has been granted what the session needs; what is wished is checked here. */
export interface Sessions {
  /**
   * A session of the role, by a caller with keys or by a web identity. It outlives the key it was asked with.
   * @throws AccessDenied for a role that is not there, Validation, InvalidInput, MalformedPolicy, PackedPolicyTooLarge
   */
  assumeRole(granted: Granted, role: Arn, wish: SessionWish): Promise<MadeSession>;
  /**
   * Somebody for whom the holder of a long-term key vouches. Dies with the key.
   * @throws Validation, InvalidInput, MalformedPolicy, PackedPolicyTooLarge
   */
  federate(granted: Granted, key: SigningKey, wish: SessionWish): Promise<MadeSession>;
  /** The holder of a long-term key again, for a while. Dies with the key. */
  again(granted: Granted, key: SigningKey, seconds: number): Promise<SessionCredentials>;
}

export interface SessionParts {
  readonly read: Pick<IdentityNouns, "identities">;
  readonly known: Pick<Known, "sessionPolicy">;
  readonly credentials: Pick<Credentials, "issueSession">;
  readonly clock: () => Date;
}

const hourSeconds = 3600;
/** A root user's session has an hour at the most. */
const rootSeconds = hourSeconds;
const defaultRoleSeconds = hourSeconds;
const defaultFederationSeconds = 12 * hourSeconds;
/** What a role without a setting of its own allows. */
const defaultMaxSeconds = hourSeconds;

/** Of inline policy and policy ARNs together. */
const maxPolicyCharacters = 2048;
/** Room for policies, tags and the like, so that tokens fit into the headers that carry them. */
const packedBytes = 4096;

export function createSessions({ read, known, credentials, clock }: SessionParts): Sessions {
  /** @throws MalformedPolicy, Validation, InvalidInput, PackedPolicyTooLarge */
  async function sessionOf(wish: SessionWish, account: string, inherited: Inherited = {}) {
    checkPolicies(wish);
    for (const arn of wish.policyArns ?? []) await checkPolicyArn(arn, account);
    const tags = tagsOf(wish, inherited);
    const session: Session & { name: string } = {
      name: wish.name,
      issuedAt: clock().getTime(),
      policies: wish.policy === undefined ? undefined : [wish.policy],
      policyArns: wish.policyArns?.length ? wish.policyArns : undefined,
      ...tags,
      sourceIdentity: inherited.sourceIdentity ?? wish.sourceIdentity,
    };
    return { session, packedPercent: packedPercentOf(session) };
  }

  async function checkPolicyArn(arn: string, account: string): Promise<void> {
    const owner = /^arn:aws:iam::(\d{12}|aws):policy\/./.exec(arn)?.[1];
    if (owner !== account && owner !== "aws") throw refuse("Validation", { reason: `ARN ${arn} is not valid.` });
    if (!(await known.sessionPolicy(arn as Arn))) {
      throw refuse("Validation", { reason: `Policy ${arn} does not exist or is not attachable.` });
    }
  }

  return {
    async assumeRole(granted, arn, wish) {
      const { principal } = granted.caller;
      const role = await findIdentity(read, arn);
      // It was there when the trust policy was asked.
      if (role?.kind !== "role") throw gone(granted, arn);
      const chained = principal.kind === "role" ? principal.session : undefined;
      const seconds = secondsFor(wish, role, chained !== undefined);
      if (
        chained?.sourceIdentity !== undefined &&
        (wish.sourceIdentity ?? chained.sourceIdentity) !== chained.sourceIdentity
      ) {
        throw refuse("Validation", { reason: "The source identity is already set for this assume role session" });
      }
      const { session, packedPercent } = await sessionOf(wish, role.account, chained);
      const { provider, claims } = principal.kind === "web-identity" ? (principal.session ?? {}) : {};
      const assumed = rolePrincipal(role, { ...session, provider, claims: claimsForSession(claims) });
      return {
        principal: assumed,
        credentials: await credentials.issueSession(assumed, undefined, seconds),
        packedPercent,
      };
    },

    async federate({ caller: { principal } }, key, wish) {
      const { session, packedPercent } = await sessionOf(wish, principal.account);
      const seconds = atMostForRoot(principal, wish.seconds ?? defaultFederationSeconds);
      const federated = federatedPrincipal(principal, session);
      return {
        principal: federated,
        credentials: await credentials.issueSession(federated, key.longTermKeyId, seconds),
        packedPercent,
      };
    },

    async again({ caller: { principal } }, key, seconds) {
      const session: Session = { issuedAt: clock().getTime() };
      return credentials.issueSession({ ...principal, session }, key.longTermKeyId, atMostForRoot(principal, seconds));
    },
  };
}

/** What goes on from a role's session to the next. */
type Inherited = Pick<Session, "tags" | "transitiveTagKeys" | "sourceIdentity">;

function secondsFor({ seconds = defaultRoleSeconds }: SessionWish, role: Identity, isChained: boolean): number {
  if (isChained && seconds > hourSeconds) {
    const reason = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    throw refuse("Validation", { reason });
  }
  if (seconds > (role.maxSessionSeconds ?? defaultMaxSeconds)) {
    const reason = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    throw refuse("Validation", { reason });
  }
  return seconds;
}

function atMostForRoot({ kind }: Principal, seconds: number): number {
  return kind === "root" ? Math.min(seconds, rootSeconds) : seconds;
}

function checkPolicies({ policy, policyArns = [] }: SessionWish): void {
  const characters = [policy ?? "", ...policyArns].join("").length;
  if (characters > maxPolicyCharacters) {
    throw refuse("PackedPolicyTooLarge", {
      what: "Packed policy",
      percent: percentOf(characters, maxPolicyCharacters),
    });
  }
  const { problem, message } = policy === undefined ? {} : checkPolicyDocument(policy, "session");
  if (problem !== undefined) throw refuse("MalformedPolicy", { reason: message ?? problem });
}

/** Tags of whoever chains roles stay where they were made to, and cannot be changed on the way. */
function tagsOf(wish: SessionWish, inherited: Inherited): Pick<Session, "tags" | "transitiveTagKeys"> {
  const given = wish.tags ?? [];
  const keys = new Set(given.map(({ key }) => key.toLowerCase()));
  if (keys.size < given.length) {
    throw refuse("InvalidInput", {
      reason: "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    });
  }
  const before = inherited.transitiveTagKeys ?? [];
  if (before.some((key) => keys.has(key.toLowerCase()))) {
    const reason =
      "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.";
    throw refuse("InvalidInput", { reason });
  }
  const transitive = wish.transitiveTagKeys ?? [];
  if (transitive.some((key) => !keys.has(key.toLowerCase()))) {
    const reason = "The specified transitive tag key must be included in the requested tags.";
    throw refuse("InvalidInput", { reason });
  }
  const tags = Object.fromEntries([
    ...before.map((key) => [key, inherited.tags?.[key] ?? ""]),
    ...given.map(({ key, value }) => [key, value]),
  ]);
  const asGiven = transitive.map((key) => given.find((tag) => tag.key.toLowerCase() === key.toLowerCase())?.key ?? key);
  const transitiveTagKeys = [...before, ...asGiven];
  return {
    tags: Object.keys(tags).length > 0 ? tags : undefined,
    transitiveTagKeys: transitiveTagKeys.length > 0 ? transitiveTagKeys : undefined,
  };
}

/** @throws PackedPolicyTooLarge */
function packedPercentOf({ policies, policyArns, tags, transitiveTagKeys }: Session): number | undefined {
  if (!policies && !policyArns && !tags) return undefined;
  const percent = percentOf(bytesOf({ policies, policyArns, tags, transitiveTagKeys }), packedBytes);
  if (percent > 100) {
    const what = policies || policyArns ? "Packed policy" : "Packed size of session tags";
    throw refuse("PackedPolicyTooLarge", { what, percent });
  }
  return percent;
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

function percentOf(part: number, whole: number): number {
  return Math.ceil((part / whole) * 100);
}

/** The same words for a role that nobody may know of. */
function gone({ caller, needs }: Granted, arn: Arn) {
  const action = needs[0]?.action ?? "sts:AssumeRole";
  return refuse("AccessDenied", {
    principal: caller.principal.arn,
    action,
    resource: arn,
    because: "because it is gone",
  });
}
