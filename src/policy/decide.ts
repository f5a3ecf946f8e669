import type { CompiledPolicy, CompiledStatement, Resource } from "./compile.ts";
import { readResource } from "./compile.ts";
import type { PolicyKind } from "./document.ts";
import { hasPolicies, Naming } from "./principals.ts";
import type { DecidingStatement, Decision, Explanation, LayerVerdict, Policies, Question } from "./question.ts";

/**
 * Deny by default, as AWS decides (IAM user guide, "Policy evaluation logic"): an explicit deny anywhere; then each
 * level of the organization has to allow; then the resource's policies and those of whoever asks.
 */
export function decide(question: Question, policies: Policies): Decision {
  const asked = read(question);
  const { principal } = question;
  const isOutsider = !hasPolicies(principal);

  const serviceControl = policies.serviceControl && lookAtLevels(policies.serviceControl, asked);
  const resourceControl = policies.resourceControl && lookAtLevels(policies.resourceControl, asked);
  const resource = look(policies.resource, asked);
  const identity = isOutsider ? nothing : look(policies.identity, asked);
  const boundary = isOutsider ? undefined : policies.boundary && look(policies.boundary, asked);
  const session = isOutsider ? undefined : policies.session && look(policies.session, asked);

  const deny =
    serviceControl?.deny ?? resourceControl?.deny ?? resource.deny ?? identity.deny ?? boundary?.deny ?? session?.deny;
  if (deny) return denied(deny);
  if (serviceControl && !serviceControl.allow) return missing("service-control", asked);
  if (resourceControl && !resourceControl.allow) return missing("resource-control", asked);

  const resourceKind = policies.resource[0]?.source.kind ?? (policies.resourceMustAllow ? "trust" : "repository");
  const isRoot = principal.kind === "root";
  const isOwnAccount = !isOutsider && principal.account === question.resourceAccount;
  if (isOutsider) return resource.allow ? allowed(resource.allow, asked) : missing(resourceKind, asked);

  if (isOwnAccount) {
    if (policies.resourceMustAllow && !resource.allow) return missing(resourceKind, asked);
    if (resource.allow && resource.naming >= Naming.Everyone) return allowed(resource.allow, asked);
  }
  // A role that the resource names needs no policy of its own, but stays within its bounds.
  const isGranted = isOwnAccount && resource.naming === Naming.Identity;
  if (!isRoot && !isGranted && !identity.allow) return missing("identity", asked);
  if (!isRoot && boundary && !boundary.allow) return missing("boundary", asked);
  if (session && !session.allow) return missing("session", asked);
  if (!isOwnAccount) return resource.allow ? allowed(resource.allow, asked) : missing(resourceKind, asked);
  if (isGranted && resource.allow) return allowed(resource.allow, asked);
  if (identity.allow) return allowed(identity.allow, asked);
  return { allowed: true, because: "because the caller is the root user of the account" };
}

/** A question with what all statements need of it. */
interface Asked {
  readonly question: Question;
  /** In lower case. */
  readonly action: string;
  readonly resource: Resource;
}

function read(question: Question): Asked {
  return { question, action: question.action.toLowerCase(), resource: readResource(question.resource) };
}

/** How a statement about the action names the principal if the rest of it matches; `undefined` if it does not. */
function match(statement: CompiledStatement, { question, resource }: Asked): Naming | undefined {
  const naming = statement.namingOf ? statement.namingOf(question.principal, statement.effect) : Naming.Direct;
  if (naming === Naming.None || !statement.matchesResource(resource, question.context)) return undefined;
  for (const condition of statement.conditions) if (!condition.holds(question.context)) return undefined;
  return naming;
}

/** What policies of one kind say. */
interface Found {
  readonly deny?: Place;
  readonly allow?: Place;
  /** How the strongest Allow names the principal. */
  readonly naming: Naming;
}

interface Place {
  readonly policy: CompiledPolicy;
  readonly statement: CompiledStatement;
}

const nothing: Found = { naming: Naming.None };

function look(policies: readonly CompiledPolicy[], asked: Asked): Found {
  let allow: Place | undefined;
  let strongest: Naming = Naming.None;
  for (const policy of policies) {
    for (const statement of policy.about(asked.action)) {
      const isDeny = statement.effect === "Deny";
      if (!isDeny && strongest === Naming.Direct) continue;
      const naming = match(statement, asked);
      if (naming === undefined) continue;
      if (isDeny) return { deny: { policy, statement }, naming: Naming.None };
      if (naming > strongest) {
        strongest = naming;
        allow = { policy, statement };
      }
    }
  }
  return allow ? { allow, naming: strongest } : nothing;
}

/** What the levels of an organization say together: each has to allow. No levels are no limit. */
function lookAtLevels(levels: readonly (readonly CompiledPolicy[])[], asked: Asked): Found | undefined {
  let together: Found | undefined;
  for (const level of levels) {
    const found = look(level, asked);
    if (found.deny) return found;
    if (!together || together.allow) together = found;
  }
  return together;
}

const names: Record<PolicyKind, string> = {
  identity: "identity-based policy",
  boundary: "permissions boundary",
  session: "session policy",
  "service-control": "service control policy",
  "resource-control": "resource control policy",
  trust: "role trust policy",
  repository: "resource-based policy",
  registry: "resource-based policy",
  key: "resource-based policy",
};

const articles: Partial<Record<PolicyKind, string>> = { identity: "an", trust: "the" };

function denied(place: Place): Decision {
  const { kind } = place.policy.source;
  const because = `with an explicit deny in ${articles[kind] ?? "a"} ${names[kind]}`;
  return { allowed: false, because, statement: toDeciding(place) };
}

function missing(kind: PolicyKind, { question }: Asked): Decision {
  return { allowed: false, because: `because no ${names[kind]} allows the ${question.action} action` };
}

function allowed(place: Place, { question }: Asked): Decision {
  const { kind } = place.policy.source;
  const because = `because ${articles[kind] ?? "a"} ${names[kind]} allows the ${question.action} action`;
  return { allowed: true, because, statement: toDeciding(place) };
}

function toDeciding({ policy, statement }: Place): DecidingStatement {
  return { policy: policy.source, sid: statement.sid, index: statement.index };
}

/** The same decision with its reasons. */
export function explain(question: Question, policies: Policies): Explanation {
  const { identity, boundary, session, serviceControl, resourceControl, resource } = policies;
  const missingKeys = new Set<string>();
  const asked = read(question);
  const layers: LayerVerdict[] = [];

  /** @param levels of which each has to allow */
  function explainLayer(kind: PolicyKind, levels: readonly (readonly CompiledPolicy[])[]): void {
    const places = levels
      .flat()
      .flatMap((policy) => policy.about(asked.action).map((statement) => ({ policy, statement })));
    for (const { statement } of places) for (const key of keysMissing(statement, asked)) missingKeys.add(key);
    const found = lookAtLevels(levels, asked);
    const verdict = found?.deny ? "explicitDeny" : found?.allow ? "allowed" : "implicitDeny";
    const matching = places.filter(({ statement }) => match(statement, asked) !== undefined);
    layers.push({ kind, verdict, statements: matching.map(toDeciding) });
  }

  if (serviceControl?.length) explainLayer("service-control", serviceControl);
  if (resourceControl?.length) explainLayer("resource-control", resourceControl);
  for (const kind of ["registry", "repository", "trust", "key"] as const) {
    const some = resource.filter(({ source }) => source.kind === kind);
    if (some.length > 0) explainLayer(kind, [some]);
  }
  if (hasPolicies(question.principal)) {
    if (question.principal.kind !== "root") explainLayer("identity", [identity]);
    if (boundary) explainLayer("boundary", [boundary]);
    if (session) explainLayer("session", [session]);
  }
  return { ...decide(question, policies), layers, missingKeys: [...missingKeys].sort() };
}

/** What a statement that is about this action and principal asks for, and does not get. */
function keysMissing({ namingOf, effect, keys }: CompiledStatement, { question }: Asked): string[] {
  if (namingOf?.(question.principal, effect) === Naming.None) return [];
  return keys.filter((key) => question.context.get(key) === undefined);
}
