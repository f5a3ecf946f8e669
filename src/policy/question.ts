import type { CompiledPolicy, PolicySource } from "./compile.ts";
import type { PolicyKind } from "./document.ts";

/** A question to the engine. Plain values only: this folder knows nothing of registries. */
export interface Question {
  /** `ecr:BatchGetImage` */
  readonly action: string;
  /** An ARN, or `*` for an action that has no resource. */
  readonly resource: string;
  /** The account that owns the resource. */
  readonly resourceAccount: string;
  readonly principal: Asker;
  readonly context: Context;
}

/** Who asks, as policies name them. */
export interface Asker {
  readonly kind: "root" | "user" | "role" | "federated" | "web-identity" | "service" | "anonymous";
  /** Empty for somebody who belongs to none. */
  readonly account: string;
  /** As messages show it; the session's ARN for a role. */
  readonly arn: string;
  /** The role's ARN for its sessions, the user's for federated users; else the same as `arn`. */
  readonly identityArn: string;
  /** `AIDA…` or `AROA…` of the user or role: what a stored principal ARN is bound to. */
  readonly uniqueId?: string;
  /** The OIDC provider's ARN of a web identity; the host name of a service. */
  readonly provider?: string;
}

/** What is known of a request, by condition key in lower case (IAM user guide, "Global condition context keys"). */
export interface Context {
  get(key: string): string | readonly string[] | undefined;
}

/** Everything that has a say, gathered by the caller. */
export interface Policies {
  readonly identity: readonly CompiledPolicy[];
  /** Absent: no boundary is set. Empty: one is set and allows nothing. */
  readonly boundary?: readonly CompiledPolicy[];
  /** Absent: the session was made without policies. */
  readonly session?: readonly CompiledPolicy[];
  /** Service control policies from the organization's root down; each level must allow. Empty: none apply. */
  readonly serviceControl?: readonly (readonly CompiledPolicy[])[];
  /** Resource control policies of the resource's account, likewise. */
  readonly resourceControl?: readonly (readonly CompiledPolicy[])[];
  readonly resource: readonly CompiledPolicy[];
  /** Whether a resource policy has to allow even in one account, as a role's trust policy has to. */
  readonly resourceMustAllow?: boolean;
}

export interface Decision {
  readonly allowed: boolean;
  /**
   * Why, in the words that AWS ends an access-denied message with (IAM user guide, "Access denied error messages"):
   * `because no identity-based policy allows the ecr:PutImage action`, `with an explicit deny in a session policy`.
   */
  readonly because: string;
  /** The statement that denied, or that allowed. Absent where nothing did, and for the root user. */
  readonly statement?: DecidingStatement;
}

export interface DecidingStatement {
  readonly policy: PolicySource;
  readonly sid?: string;
  /** Position in the policy, from 0. */
  readonly index: number;
}

/** A decision with everything that led to it, for people. Costs more than the decision. */
export interface Explanation extends Decision {
  /** Each kind of policy that had a say, in the order in which they are asked. */
  readonly layers: readonly LayerVerdict[];
  /** Condition keys that were asked about and that the request did not have, in lower case. */
  readonly missingKeys: readonly string[];
}

export interface LayerVerdict {
  readonly kind: PolicyKind;
  readonly verdict: "allowed" | "explicitDeny" | "implicitDeny";
  /** The statements that matched. */
  readonly statements: readonly DecidingStatement[];
}
