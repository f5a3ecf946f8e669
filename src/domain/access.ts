import { type CompiledPolicy, compilePolicy } from "../policy/compile.ts";
import { decide, explain } from "../policy/decide.ts";
import type { Asker, Context, Decision, Explanation, Policies, Question } from "../policy/question.ts";
import { refuse } from "./errors.ts";
import type { AccountId, Arn, Digest, Registry, RepositoryName, Tag } from "./names.ts";

/** Who signed a request, after the signature was found good. */
export interface Principal {
  readonly kind: "root" | "user" | "role" | "federated" | "web-identity" | "anonymous" | "service";
  /** Empty for the anonymous principal, a web identity and a service, which belong to none. */
  readonly account: AccountId;
  /**
   * As AWS writes it: `arn:aws:iam::123456789012:user/ci`; a role's session has the session's ARN, a service its host
   * name. No request comes from a service: what one does for others is asked about in its name.
   */
  readonly arn: string;
  /** `aws:userid`: `AIDA…` for a user, `AROA…:session` for a role, the account id for the root user. */
  readonly userId: string;
  /** The unique id of the user or role behind it, `AIDA…` or `AROA…`. */
  readonly identityId?: string;
  /** The role's ARN for its sessions. Absent where it is `arn`. */
  readonly identityArn?: string;
  /** What a session carries along; absent for long-term keys. */
  readonly session?: Session;
}

/** Frozen when the session was made (STS API reference, AssumeRole). */
export interface Session {
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  readonly name?: string;
  /** Inline session policies, as they were sent. Absent together with `policyArns`: the session has no policies. */
  readonly policies?: readonly string[];
  readonly policyArns?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly transitiveTagKeys?: readonly string[];
  readonly sourceIdentity?: string;
  /** The ARN of the OIDC provider that vouched for the bearer, and what its token said. */
  readonly provider?: string;
  readonly claims?: Facts;
}

/** What is known of a request before anybody is authenticated. */
export interface Arrival {
  readonly requestId: string;
  readonly sourceIp: string;
  readonly secureTransport: boolean;
  readonly userAgent?: string;
  /** What its client has proved to hold the key of. Absent where certificates say nothing of who somebody is. */
  readonly certificate?: ClientCertificate;
  /** Adds facts to the request's log line. Never a secret. */
  note(facts: Record<string, string | number | boolean>): void;
  /** The bytes of the request's body, for as long as they come at the least pace. Absent where no socket is behind it. */
  readonly paced?: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
}

/** Who a client's certificate speaks of, once it was found good. */
export interface ClientCertificate {
  /** In lower-case hex digits. */
  readonly serial: string;
  /** For people: `CN=ci, O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** Only where there is exactly one. */
  readonly commonName?: string;
  readonly issuerCommonName?: string;
  /** Of the subject's alternative names. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
}

/** A principal together with the facts of its request that policies may ask about. */
export interface Caller extends Arrival {
  readonly principal: Principal;
}

/** Values of condition keys, by key in lower case. */
export type Facts = Readonly<Record<string, string | readonly string[] | undefined>>;

/** One thing that a request needs: an IAM action on a resource (service authorization reference). */
export interface Need {
  readonly action: `${string}:${string}`;
  readonly resource: Arn | "*";
  /** Condition keys that only this request has, such as `aws:requesttag/team`. */
  readonly facts?: Facts;
  /** The image that is meant. What it is, is looked up only where a policy asks. */
  readonly image?: {
    readonly repository: RepositoryName;
    readonly digest?: Digest;
    readonly tag?: Tag;
    /** Of an image that is being pushed: what its manifest says. Read only where a policy asks. */
    readonly pushed?: () => Promise<Facts>;
  };
  /** Of the use of an encryption key: what its grants are looked up by. */
  readonly keyUse?: KeyUse;
  /** Whose resource it is, in a request that is about resources of several. Left out: as the request. */
  readonly owner?: Registry;
  /** Whether it counts as met as long as no policy denies it: for what another action allows by itself, as in ECR. */
  readonly unlessDenied?: boolean;
}

export interface KeyUse {
  readonly principal: Principal;
  /** Absent for what has none, such as the description of a key. */
  readonly encryptionContext?: ReadonlyMap<string, string>;
  /** Of a request about a grant: no other one has a say. */
  readonly grant?: string;
  /**
   * Of a use that grants were made for: their ids, and the encryption context that they are for. Others for it are looked
   * for once none of these is there.
   */
  readonly madeFor?: { readonly grants: readonly string[]; readonly context: ReadonlyMap<string, string> };
}

declare const granted: unique symbol;

/**
 * The proof that a caller may do what it asks for. Only `createAccess` makes one, and every domain function that reads
 * or changes content wants one, so a forgotten check does not compile.
 */
export interface Granted {
  readonly [granted]: true;
  readonly caller: Caller;
  readonly registry: Registry;
  readonly needs: readonly Need[];
  /** What was decided for each need. */
  readonly decisions: readonly Decision[];
  /** Whether a policy that has a say asks what the image is: whoever finds the image then confirms with its facts. */
  readonly asksAboutImages: boolean;
  /**
   * Decides all needs once more with what became known since, such as that a tag would be overwritten. Asks no database:
   * it may be called inside a transaction, and counts on the policies of the moment of the grant.
   * @throws AccessDenied
   */
  confirm(facts: Facts): void;
}

export interface Access {
  /** @throws AccessDenied naming the first need that is not met. */
  grant(caller: Caller, registry: Registry, needs: readonly Need[]): Promise<Granted>;
  /** The same decision as an answer, for lists that show only what their reader may see. */
  allows(caller: Caller, registry: Registry, need: Need): Promise<boolean>;
  /** The decision with its reasons, for those who ask why. */
  explain(caller: Caller, registry: Registry, need: Need): Promise<Explanation>;
}

// ── What the gate needs to know ─────────────────────────────────────────────────────────────────────────────────────

/** The side of whoever asks. Identity keeps it. */
export interface PrincipalPolicies {
  /** `undefined` for a principal that is gone or suspended: nothing is allowed then. */
  of(principal: Principal): Promise<PoliciesOfPrincipal | undefined>;
}

export interface PoliciesOfPrincipal extends Pick<Policies, "identity" | "boundary" | "session" | "serviceControl"> {
  /** Condition keys such as `aws:username`, `aws:principaltag/team`, `aws:principalorgid`. */
  readonly facts: Facts;
}

/** The side of what is asked for. The registry keeps repositories, identity keeps roles. */
export interface ResourcePolicies {
  of(registry: Registry, need: Need): Promise<PoliciesOfResource>;
}

export interface PoliciesOfResource extends Pick<Policies, "resource" | "resourceMustAllow" | "resourceControl"> {
  /** `aws:resourcetag/…` and `ecr:resourcetag/…`. Nothing for what does not exist. */
  readonly facts: Facts;
  /** What the need's image is, for policies that ask about it; `pushed` is what is known of one that is being pushed. */
  readonly imageFacts?: (pushed?: Facts) => Promise<Facts>;
}

/** Asks whoever keeps the resource: by the ARN's service, or the action's where there is no ARN. */
export function resourcesByService(keepers: Readonly<Record<string, ResourcePolicies>>): ResourcePolicies {
  return {
    async of(registry, need) {
      const service = need.resource === "*" ? need.action.split(":")[0] : need.resource.split(":")[2];
      const keeper = service !== undefined && Object.hasOwn(keepers, service) ? keepers[service] : undefined;
      return keeper ? keeper.of(registry, need) : { resource: [], facts: {} };
    },
  };
}

/** Whom the ARNs in a policy mean. Identity keeps it, for everybody who stores policies. */
export interface PrincipalDirectory {
  /**
   * The unique ids behind the ARNs of users, roles and their sessions (a session has its role's); `undefined` for whom
   * nobody knows. ARNs of other principals have no id and are left out.
   */
  resolve(arns: readonly string[]): Promise<ReadonlyMap<string, string | undefined>>;
  /** The ARN that a user or role has today. `undefined` when it is gone. */
  nameOf(uniqueId: string): Promise<Arn | undefined>;
}

export interface AccessParts {
  readonly principals: PrincipalPolicies;
  readonly resources: ResourcePolicies;
  readonly clock: () => Date;
}

/**
 * In the place of a stranger's own policies. They may ask about tags and images of what they are about, so what they say is
 * told only to those whom its owner lets in: else policies written for the purpose would read what is not theirs.
 */
const everything = compilePolicy(
  JSON.stringify({ Version: "2012-10-17", Statement: { Effect: "Allow", Action: "*", Resource: "*" } }),
  { kind: "identity", name: "everything" },
);

/** Condition keys that are looked up in the image that is meant. */
const imageKeys = "berth:";

/** The one gate. Gathers what the policy engine needs to know and turns its decision into a grant or a refusal. */
export function createAccess({ principals, resources, clock }: AccessParts): Access {
  /** Asks everybody who must be asked, so that more facts can come later without asking again. */
  async function prepare(caller: Caller, registry: Registry, need: Need): Promise<Prepared> {
    const { principal } = caller;
    if (isKeptFrom(principal, need)) return refused(need, "because sessions of long-term keys cannot call IAM");
    const [own, theirs] = await Promise.all([principals.of(principal), resources.of(registry, need)]);
    // Of a principal that is gone.
    if (!own) return refused(need, `because no identity-based policy allows the ${need.action} action`);
    const { resource, resourceMustAllow, resourceControl } = theirs;
    const policies: Policies = { ...own, resource, resourceMustAllow, resourceControl };
    const asksAboutImages = asksAbout(policies, imageKeys);
    const pushed = asksAboutImages ? await need.image?.pushed?.() : undefined;
    const image = asksAboutImages ? await theirs.imageFacts?.(pushed) : undefined;
    const now = clock();
    const questionOf = (...facts: (Facts | undefined)[]): Question => ({
      action: need.action,
      resource: need.resource,
      resourceAccount: registry.account,
      principal: askerOf(principal),
      context: contextOf(caller, registry, now, [...facts, own.facts]),
    });
    const questionWith = (more?: Facts) => questionOf(more, need.facts, pushed, image, theirs.facts);
    const isStranger = principal.account !== registry.account;
    /** What the owner of the resource says to a stranger, where that is no. */
    function turnedAway(question: Question): Decision | undefined {
      if (!isStranger) return undefined;
      const theirWord = decide(question, { identity: [everything], resource, resourceMustAllow });
      return theirWord.allowed ? undefined : theirWord;
    }
    return {
      need,
      asksAboutImages,
      decide(more) {
        const question = questionWith(more);
        const decision = counted(need, decide(question, policies));
        return decision.allowed ? decision : (turnedAway(question) ?? decision);
      },
      explain() {
        const question = questionWith();
        const away = turnedAway(question);
        return away ? { ...explain(questionOf(need.facts, pushed), policies), ...away } : explain(question, policies);
      },
    };
  }

  function denied({ principal }: Caller, { action, resource }: Need, { because, statement }: Decision) {
    return refuse("AccessDenied", { principal: principal.arn, action, resource, because, statement });
  }

  return {
    async grant(caller, registry, needs) {
      const prepared: Prepared[] = [];
      const decisions: Decision[] = [];
      for (const need of needs) {
        const ready = await prepare(caller, need.owner ?? registry, need);
        const decision = ready.decide();
        if (!decision.allowed) throw denied(caller, need, decision);
        prepared.push(ready);
        decisions.push(decision);
      }
      const asksAboutImages = prepared.some((ready) => ready.asksAboutImages);
      const confirm = (facts: Facts) => {
        for (const ready of prepared) {
          const decision = ready.decide(facts);
          if (!decision.allowed) throw denied(caller, ready.need, decision);
        }
      };
      return { caller, registry, needs, decisions, asksAboutImages, confirm } as unknown as Granted;
    },
    async allows(caller, registry, need) {
      return (await prepare(caller, registry, need)).decide().allowed;
    },
    async explain(caller, registry, need) {
      return (await prepare(caller, registry, need)).explain();
    },
  };
}

interface Prepared {
  readonly need: Need;
  readonly asksAboutImages: boolean;
  decide(more?: Facts): Decision;
  explain(): Explanation;
}

/** Only an explicit deny has a statement to show for it. */
function counted({ unlessDenied }: Need, decision: Decision): Decision {
  return unlessDenied && decision.statement === undefined ? { ...decision, allowed: true } : decision;
}

/**
 * IAM can make a key that lasts, so what GetSessionToken and GetFederationToken made does not reach it, whatever policies say
 * (STS API reference; there are no devices here that would lift it). To pass a role on is no call of IAM's.
 */
function isKeptFrom({ kind, session }: Principal, { action }: Need): boolean {
  const isCall = action.startsWith("iam:") && action !== "iam:PassRole";
  return session !== undefined && kind !== "role" && isCall;
}

/** Whatever policies say. */
function refused(need: Need, because: string): Prepared {
  const decision: Decision = { allowed: false, because };
  return {
    need,
    asksAboutImages: false,
    decide: () => decision,
    explain: () => ({ ...decision, layers: [], missingKeys: [] }),
  };
}

function asksAbout({ identity, boundary, session, serviceControl, resourceControl, resource }: Policies, keys: string) {
  const asks = (policies: readonly CompiledPolicy[] = []) =>
    policies.some((policy) => {
      for (const key of policy.keys) if (key.startsWith(keys)) return true;
      return false;
    });
  const levels = [...(serviceControl ?? []), ...(resourceControl ?? [])];
  return [identity, boundary, session, resource, ...levels].some(asks);
}

function askerOf({ kind, account, arn, identityArn, identityId, session }: Principal): Asker {
  const provider = kind === "service" ? arn : session?.provider;
  return { kind, account, arn, identityArn: identityArn ?? arn, uniqueId: identityId, provider };
}

const principalTypes: Record<Principal["kind"], string> = {
  root: "Account",
  user: "User",
  role: "AssumedRole",
  federated: "FederatedUser",
  "web-identity": "WebIdentityUser",
  anonymous: "Anonymous",
  service: "Service",
};

/** What every request has (IAM user guide, "Global condition context keys"), and what `facts` add; the first wins. */
function contextOf(
  { principal, sourceIp, secureTransport, userAgent }: Caller,
  registry: Registry,
  now: Date,
  facts: readonly (Facts | undefined)[],
): Context {
  function own(key: string): string | readonly string[] | undefined {
    switch (key) {
      case "aws:principalarn":
        // Policies that ask for any at all mean whoever signs.
        if (!principal.account) return undefined;
        // Not its user's: whoever lets the user in has not thereby let in whom it vouches for.
        return principal.kind === "federated" ? principal.arn : (principal.identityArn ?? principal.arn);
      case "aws:principalaccount":
        return principal.account || undefined;
      case "aws:principaltype":
        return principalTypes[principal.kind];
      case "aws:principalisawsservice":
        return String(principal.kind === "service");
      case "aws:principalservicename":
        return principal.kind === "service" ? principal.arn : undefined;
      case "aws:userid":
        return principal.userId;
      case "aws:sourceip":
        return sourceIp;
      case "aws:securetransport":
        return String(secureTransport);
      case "aws:useragent":
        return userAgent;
      case "aws:currenttime":
        return now.toISOString();
      case "aws:epochtime":
        return String(Math.floor(now.getTime() / 1000));
      case "aws:tokenissuetime":
        return principal.session && new Date(principal.session.issuedAt).toISOString();
      case "aws:multifactorauthpresent":
        return principal.session && "false";
      case "aws:sourceidentity":
        return principal.session?.sourceIdentity;
      case "aws:federatedprovider":
        return principal.session?.provider;
      case "aws:requestedregion":
        return registry.region;
      case "aws:resourceaccount":
        return registry.account;
      case "aws:viaawsservice":
        return "false";
      default:
        return undefined;
    }
  }
  return {
    get(key) {
      for (const some of facts) {
        if (some && Object.hasOwn(some, key)) return some[key];
      }
      return own(key);
    },
  };
}
