import { parseStrictJson } from "./json.ts";

/** Where a policy is attached. Each kind has its own list of what must and must not be in a statement. */
export type PolicyKind =
  | "identity"
  | "boundary"
  | "session"
  | "service-control"
  | "resource-control"
  | "trust"
  | "repository"
  | "registry";

const maxDepth = 16;
const maxLength: Partial<Record<PolicyKind, number>> = { repository: 10_240 };
const versions = ["2012-10-17", "2008-10-17"];

/**
 * Checks a policy against the grammar of policies (IAM user guide, "Grammar of the IAM JSON policy language"), strictly:
 * what we would not evaluate as its author means it is refused when it is written. `problem` is for people who debug.
 */
export function checkPolicyDocument(text: string, kind: PolicyKind): { problem?: string } {
  try {
    checkDocument(text, kind);
    return {};
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message };
    throw error;
  }
}

class Problem extends Error {}

type Json = Readonly<Record<string, unknown>>;

function checkDocument(text: string, kind: PolicyKind): void {
  if (text.length > (maxLength[kind] ?? 0)) throw new Problem(`longer than ${maxLength[kind]} characters`);
  const parsed = parseStrictJson(text, { maxDepth });
  if ("problem" in parsed) throw new Problem(parsed.problem);
  const policy = objectAt(parsed.value, "the policy");
  onlyMembers(policy, ["Version", "Id", "Statement"], "the policy");
  if (policy.Version !== undefined && !versions.includes(policy.Version as string)) {
    throw new Problem(`Version must be one of ${versions.join(", ")}`);
  }
  if (policy.Id !== undefined) stringAt(policy.Id, "Id");
  const statements = Array.isArray(policy.Statement) ? policy.Statement : [policy.Statement];
  if (statements.length === 0) throw new Problem("Statement is empty");
  statements.forEach((statement, index) => {
    checkStatement(objectAt(statement, `Statement[${index}]`), `Statement[${index}]`);
  });
}

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

/** A statement of a repository policy: it must name principals, and may leave out the resource it hangs on. */
function checkStatement(statement: Json, at: string): void {
  onlyMembers(statement, statementMembers, at);
  if (statement.Sid !== undefined) stringAt(statement.Sid, `${at}.Sid`);
  if (statement.Effect !== "Allow" && statement.Effect !== "Deny") {
    throw new Problem(`${at}.Effect must be Allow or Deny`);
  }
  checkPrincipal(oneOf(statement, "Principal", "NotPrincipal", at), at);
  for (const action of stringsAt(oneOf(statement, "Action", "NotAction", at), `${at}.Action`)) checkAction(action, at);
  if (statement.Resource !== undefined || statement.NotResource !== undefined) {
    const resources = stringsAt(oneOf(statement, "Resource", "NotResource", at), `${at}.Resource`);
    for (const resource of resources) checkResource(resource, at);
  }
  if (statement.Condition !== undefined) checkCondition(objectAt(statement.Condition, `${at}.Condition`), at);
}

function checkAction(action: string, at: string): void {
  if (action !== "*" && !/^ecr:[A-Za-z*?]+$/i.test(action)) throw new Problem(`${at} has the action '${action}'`);
}

function checkResource(resource: string, at: string): void {
  if (resource !== "*" && !/^arn:[^:]+:[^:]+:[^:]*:[^:]*:.+$/.test(resource)) {
    throw new Problem(`${at} has the resource '${resource}', which is not an ARN`);
  }
}

const account = "[0-9]{12}";
const path = "[\\w+=,.@/-]+";
/** Forms of a principal. None has a wildcard: `*` stands alone. */
const principalForms: Record<string, RegExp> = {
  AWS: new RegExp(
    `^(?:\\*|${account}|arn:aws(?:-[a-z]+)*:iam::${account}:(?:root|user/${path}|role/${path})` +
      `|arn:aws(?:-[a-z]+)*:sts::${account}:(?:assumed-role/[\\w+=,.@-]+/[\\w+=,.@-]+|federated-user/[\\w+=,.@-]+)` +
      // What AWS shows for a user or role that is gone; a policy may be written back as it was read.
      "|A(?:ID|RO)A[A-Z0-9]{12,})$",
  ),
  Service: /^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?$/,
  Federated: /^(?:arn:aws(?:-[a-z]+)*:iam::[0-9]{12}:(?:saml|oidc)-provider\/.+|[a-z0-9-]+(?:\.[a-z0-9-]+)+)$/,
  CanonicalUser: /^[0-9a-f]{64}$/,
};

function checkPrincipal(principal: unknown, at: string): void {
  if (principal === "*") return;
  const kinds = objectAt(principal, `${at}.Principal`);
  onlyMembers(kinds, Object.keys(principalForms), `${at}.Principal`);
  if (Object.keys(kinds).length === 0) throw new Problem(`${at}.Principal is empty`);
  for (const [kind, value] of Object.entries(kinds)) {
    for (const name of stringsAt(value, `${at}.Principal.${kind}`)) {
      if (!principalForms[kind]?.test(name)) throw new Problem(`${at} has the ${kind} principal '${name}'`);
    }
  }
}

const comparisons = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"];
/** Condition operators (IAM user guide, "Condition operators"), less `Null`, which takes no suffix. */
const operators = new Set([
  "StringEquals",
  "StringNotEquals",
  "StringEqualsIgnoreCase",
  "StringNotEqualsIgnoreCase",
  "StringLike",
  "StringNotLike",
  ...comparisons.map((comparison) => `Numeric${comparison}`),
  ...comparisons.map((comparison) => `Date${comparison}`),
  "Bool",
  "BinaryEquals",
  "IpAddress",
  "NotIpAddress",
  "ArnEquals",
  "ArnNotEquals",
  "ArnLike",
  "ArnNotLike",
]);

function checkCondition(condition: Json, at: string): void {
  for (const [name, block] of Object.entries(condition)) {
    const [, operator = "", ifExists] = /^(?:ForAllValues:|ForAnyValue:)?(.*?)(IfExists)?$/.exec(name) ?? [];
    const isKnown = operator === "Null" ? ifExists === undefined : operators.has(operator);
    if (!isKnown) throw new Problem(`${at} has the condition operator '${name}'`);
    for (const [key, value] of Object.entries(objectAt(block, `${at}.Condition.${name}`))) {
      if (!/^[a-z0-9-]+:.+$/i.test(key)) throw new Problem(`${at} has the condition key '${key}'`);
      const values = Array.isArray(value) ? value : [value];
      if (values.length === 0 || !values.every((item) => ["string", "number", "boolean"].includes(typeof item))) {
        throw new Problem(`${at}.Condition.${name}.${key} must be a string or a list of strings`);
      }
    }
  }
}

/** The value of whichever of two members is there; both together, or neither, is an error. */
function oneOf(statement: Json, member: string, negated: string, at: string): unknown {
  if ((statement[member] === undefined) === (statement[negated] === undefined)) {
    throw new Problem(`${at} must have either ${member} or ${negated}`);
  }
  return statement[member] ?? statement[negated];
}

function onlyMembers(object: Json, known: readonly string[], at: string): void {
  const unknown = Object.keys(object).find((member) => !known.includes(member));
  if (unknown !== undefined) throw new Problem(`${at} has the unknown member '${unknown}'`);
}

function objectAt(value: unknown, at: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Problem(`${at} must be an object`);
  return value as Json;
}

function stringAt(value: unknown, at: string): string {
  if (typeof value !== "string") throw new Problem(`${at} must be a string`);
  return value;
}

function stringsAt(value: unknown, at: string): string[] {
  const values = Array.isArray(value) ? value : [value];
  if (values.length === 0) throw new Problem(`${at} is empty`);
  return values.map((item) => stringAt(item, at));
}
