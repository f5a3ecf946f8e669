import { compileArnPattern, splitArn } from "./arns.ts";
import { type CompiledCondition, compileCondition } from "./conditions/index.ts";
import type { PolicyKind } from "./document.ts";
import { parsePolicyDocument, type Statement } from "./grammar.ts";
import { rememberLatest } from "./latest.ts";
import { compilePrincipals, isNamedPrincipal, Naming, type PrincipalMatcher } from "./principals.ts";
import type { Context } from "./question.ts";
import { parseTemplate } from "./template.ts";
import { compileMatcher, type Matcher } from "./wildcards.ts";

/** Where a policy comes from, for messages and the audit trail. */
export interface PolicySource {
  readonly kind: PolicyKind;
  /** An ARN, or words such as `inline policy push of user ci`. */
  readonly name: string;
}

/** A policy made ready for many decisions. */
export interface CompiledPolicy {
  readonly source: PolicySource;
  /** The condition keys that it asks about, variables included, in lower case. */
  readonly keys: ReadonlySet<string>;
  readonly statements: readonly CompiledStatement[];
  /** Those of them that are about an action, in their order. @param action in lower case */
  about(action: string): readonly CompiledStatement[];
}

export interface CompiledStatement {
  readonly sid?: string;
  readonly index: number;
  readonly effect: "Allow" | "Deny";
  /** @param action in lower case */
  matchesAction(action: string): boolean;
  /** Absent where a policy names no principals: it is for whoever it is attached to. */
  readonly namingOf?: PrincipalMatcher;
  matchesResource(resource: Resource, context: Context): boolean;
  readonly conditions: readonly CompiledCondition[];
  readonly keys: readonly string[];
}

/** What is asked for, taken apart once for all statements. */
export interface Resource {
  readonly text: string;
  /** `undefined` for `*`, which an action without a resource has. */
  readonly fields?: readonly string[];
}

export interface CompileOptions {
  /** The unique ids that ARNs of users and roles in it are bound to; an ARN without one matches by itself. */
  readonly bindings?: ReadonlyMap<string, string>;
}

/** @throws Malformed for a document that is none; checkPolicyDocument refuses those, and more. */
export function compilePolicy(text: string, source: PolicySource, options: CompileOptions = {}): CompiledPolicy {
  const { version, statements } = parsePolicyDocument(text);
  const variables = version === "2012-10-17";
  const { kind } = source;
  const compiled = statements.map((statement, index) => {
    return compileStatement(statement, index, { ...options, kind, variables });
  });
  const keys = new Set(compiled.flatMap((statement) => statement.keys));
  return { source, keys, statements: compiled, about: byAction(compiled) };
}

/** What is asked about is a few actions again and again, unless somebody simulates. */
const maxActions = 32;

function byAction(statements: readonly CompiledStatement[]): CompiledPolicy["about"] {
  const known = new Map<string, readonly CompiledStatement[]>();
  return (action) => {
    let about = known.get(action);
    if (!about) {
      about = statements.filter((statement) => statement.matchesAction(action));
      if (known.size === maxActions) known.clear();
      known.set(action, about);
    }
    return about;
  };
}

/**
 * The ARNs of users, roles and sessions that the policy's principals name.
 * @throws Malformed
 */
export function namedPrincipals(text: string): string[] {
  const names = parsePolicyDocument(text).statements.flatMap(({ principals }) => principals?.values ?? []);
  return [...new Set(names.filter(isNamedPrincipal).map(({ name }) => name))];
}

export function readResource(resource: string): Resource {
  return { text: resource, fields: splitArn(resource) };
}

interface StatementOptions extends CompileOptions {
  readonly kind: PolicyKind;
  readonly variables: boolean;
}

function compileStatement(
  { sid, effect, principals, actions, resources, conditions }: Statement,
  index: number,
  options: StatementOptions,
): CompiledStatement {
  const compiled = conditions.map((condition) => compileCondition(condition, options));
  const resource = compileResources(resources, options);
  return {
    sid,
    index,
    effect,
    matchesAction: compileActions(actions),
    namingOf: principals ? compilePrincipals(principals, options) : namesNobody(options.kind),
    matchesResource: resource.matches,
    conditions: compiled,
    keys: [...new Set([...resource.keys, ...compiled.flatMap(({ keys }) => keys)])],
  };
}

/** A policy that has to name somebody and does not is for nobody. */
function namesNobody(kind: PolicyKind): PrincipalMatcher | undefined {
  const isForNamed =
    kind === "repository" || kind === "registry" || kind === "trust" || kind === "key" || kind === "resource-control";
  return isForNamed ? () => Naming.None : undefined;
}

const nothing: Context = { get: () => undefined };

function compileActions(actions: Statement["actions"]): CompiledStatement["matchesAction"] {
  if (!actions) return () => false;
  const { negated, values } = actions;
  const exact = new Set<string>();
  const patterns: Matcher[] = [];
  for (const value of values) {
    const lower = value.toLowerCase();
    if (/[*?]/.test(lower)) patterns.push(compileMatcher(parseTemplate(lower, { wildcards: true, variables: false })));
    else exact.add(lower);
  }
  return (action) => {
    if (exact.has(action)) return !negated;
    for (const matches of patterns) if (matches(action, nothing)) return !negated;
    return negated;
  };
}

function compileResources(resources: Statement["resources"], options: StatementOptions) {
  // A repository's or a role's policy is about what it hangs on; another without resources is about nothing.
  const hangsOnIt = options.kind === "repository" || options.kind === "trust";
  if (!resources) return { keys: [], matches: () => hangsOnIt };
  const { negated, values } = resources;
  const hasAll = values.includes("*");
  const patterns = values.filter((value) => value !== "*").map((value) => compileArnPattern(value, options));
  const keys = patterns.flatMap((pattern) => pattern.keys);
  const matches = ({ fields }: Omit<Resource, "text">, context: Context) => {
    if (fields) for (const pattern of patterns) if (pattern.matches(fields, context)) return !negated;
    return negated;
  };
  if (hasAll) return { keys, matches: () => !negated };
  if (keys.length > 0) return { keys, matches };
  const remembered = rememberLatest((text) => matches({ fields: splitArn(text) }, nothing));
  return { keys, matches: ({ text }: Resource) => remembered(text) };
}
