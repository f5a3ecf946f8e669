import type { Condition } from "./conditions/index.ts";
import { readConditionName } from "./conditions/index.ts";
import { parseStrictJson } from "./json.ts";

/** A policy as its text says it, before anybody asks where it is attached. */
export interface PolicyDocument {
  /** Absent means the old version, which has no variables. */
  readonly version?: string;
  readonly statements: readonly Statement[];
}

export interface Statement {
  /** Where it stands, for messages. */
  readonly at: string;
  readonly sid?: string;
  readonly effect: "Allow" | "Deny";
  readonly principals?: Negatable<PrincipalName>;
  readonly actions?: Negatable<string>;
  readonly resources?: Negatable<string>;
  readonly conditions: readonly Condition[];
}

/** `Action` or `NotAction`, and so on. */
export interface Negatable<Value> {
  readonly negated: boolean;
  readonly values: readonly Value[];
}

export type PrincipalKind = "AWS" | "Service" | "Federated" | "CanonicalUser";
export interface PrincipalName {
  /** Absent for the bare `*`. */
  readonly kind?: PrincipalKind;
  readonly name: string;
}

/** What is wrong with a policy. */
export class Malformed extends Error {
  /** As AWS says it in a MalformedPolicyDocument. */
  readonly said: string;

  /** @param problem in words for people who debug */
  constructor(problem: string, said = syntaxErrors) {
    super(problem);
    this.said = said;
  }
}

const syntaxErrors = "Syntax errors in policy.";
export const legacyParsing = "The policy failed legacy parsing";

const maxDepth = 16;
const versions = ["2012-10-17", "2008-10-17"];
const statementMembers = [
  "Sid",
  "Effect",
  "Principal",
  "NotPrincipal",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
];
const principalKinds: readonly string[] = ["AWS", "Service", "Federated", "CanonicalUser"] satisfies PrincipalKind[];

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads the grammar of policies (IAM user guide, "Grammar of the IAM JSON policy language"), strictly.
 * @throws Malformed
 */
export function parsePolicyDocument(text: string): PolicyDocument {
  const parsed = parseStrictJson(text, { maxDepth });
  if ("problem" in parsed) throw new Malformed(parsed.problem);
  const policy = objectAt(parsed.value, "the policy");
  onlyMembers(policy, ["Version", "Id", "Statement"], "the policy");
  if (policy.Version !== undefined && !versions.includes(policy.Version as string)) {
    throw new Malformed(`Version must be one of ${versions.join(", ")}`);
  }
  if (policy.Id !== undefined) stringAt(policy.Id, "Id");
  const statements = Array.isArray(policy.Statement) ? policy.Statement : [policy.Statement];
  if (statements.length === 0) throw new Malformed("Statement is empty");
  return {
    version: policy.Version as string | undefined,
    statements: statements.map((statement, index) => {
      const at = `Statement[${index}]`;
      return readStatement(objectAt(statement, at), at);
    }),
  };
}

function readStatement(statement: Json, at: string): Statement {
  onlyMembers(statement, statementMembers, at);
  const { Sid, Effect, Condition } = statement;
  if (Sid !== undefined) stringAt(Sid, `${at}.Sid`);
  if (Effect !== "Allow" && Effect !== "Deny") {
    // AWS tells apart what only fails by its case.
    const isAlmost = typeof Effect === "string" && /^(?:allow|deny)$/i.test(Effect);
    throw new Malformed(`${at}.Effect must be Allow or Deny`, isAlmost ? legacyParsing : syntaxErrors);
  }
  return {
    at,
    sid: Sid as string | undefined,
    effect: Effect,
    principals: readNegatable(statement, "Principal", "NotPrincipal", at, readPrincipals),
    actions: readNegatable(statement, "Action", "NotAction", at, stringsAt),
    resources: readNegatable(statement, "Resource", "NotResource", at, stringsAt),
    conditions: Condition === undefined ? [] : readConditions(objectAt(Condition, `${at}.Condition`), at),
  };
}

/** Whichever of two members is there; both together are an error. */
function readNegatable<Value>(
  statement: Json,
  member: string,
  negated: string,
  at: string,
  read: (value: unknown, at: string) => Value[],
): Negatable<Value> | undefined {
  const [plain, other] = [statement[member], statement[negated]];
  if (plain !== undefined && other !== undefined) {
    throw new Malformed(`${at} must have either ${member} or ${negated}, not both`);
  }
  if (plain !== undefined) return { negated: false, values: read(plain, `${at}.${member}`) };
  if (other !== undefined) return { negated: true, values: read(other, `${at}.${negated}`) };
  return undefined;
}

function readPrincipals(value: unknown, at: string): PrincipalName[] {
  if (value === "*") return [{ name: "*" }];
  const kinds = objectAt(value, at);
  onlyMembers(kinds, principalKinds, at);
  const names = Object.entries(kinds).flatMap(([kind, some]) => {
    const list = stringsAt(some, `${at}.${kind}`);
    if (list.length === 0) throw new Malformed(`${at}.${kind} is empty`);
    return list.map((name) => ({ kind: kind as PrincipalKind, name }));
  });
  if (names.length === 0) throw new Malformed(`${at} is empty`);
  return names;
}

function readConditions(block: Json, at: string): Condition[] {
  return Object.entries(block).flatMap(([name, lines]) => {
    if (!readConditionName(name)) throw new Malformed(`${at} has the condition operator '${name}'`);
    return Object.entries(objectAt(lines, `${at}.Condition.${name}`)).map(([key, value]) => {
      const values = Array.isArray(value) ? value : [value];
      if (values.length === 0 || !values.every(isScalar)) {
        throw new Malformed(`${at}.Condition.${name}.${key} must be a string or a list of strings`);
      }
      return { name, key, values: values.map(String) };
    });
  });
}

/** A number that JSON.parse has rounded would be compared as another than was written. */
function isScalar(value: unknown): boolean {
  if (typeof value === "number") return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  return typeof value === "string" || typeof value === "boolean";
}

function onlyMembers(object: Json, known: readonly string[], at: string): void {
  const unknown = Object.keys(object).find((member) => !known.includes(member));
  if (unknown !== undefined) throw new Malformed(`${at} has the unknown member '${unknown}'`);
}

function objectAt(value: unknown, at: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Malformed(`${at} must be an object`);
  }
  return value as Json;
}

function stringAt(value: unknown, at: string): string {
  if (typeof value !== "string") throw new Malformed(`${at} must be a string`);
  return value;
}

function stringsAt(value: unknown, at: string): string[] {
  return (Array.isArray(value) ? value : [value]).map((item) => stringAt(item, at));
}
