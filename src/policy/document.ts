import { acceptsValue, readConditionName } from "./conditions/index.ts";
import {
  legacyParsing,
  Malformed,
  type PolicyDocument,
  type PrincipalName,
  parsePolicyDocument,
  type Statement,
} from "./grammar.ts";

/** Where a policy is attached. Each kind has its own list of what must and must not be in a statement. */
export type PolicyKind =
  | "identity"
  | "boundary"
  | "session"
  | "service-control"
  | "resource-control"
  | "trust"
  | "repository"
  | "registry"
  | "key";

export interface CheckOptions {
  /** Instead of the kind's own limit: inline policies have others than managed ones. Counted as `policySize` does. */
  readonly maxCharacters?: number;
}

export interface Checked {
  /** What is wrong, for people who debug. Absent for a good policy. */
  readonly problem?: string;
  /** What is wrong, as AWS says it in a MalformedPolicyDocument. */
  readonly message?: string;
  /** Whether the length is all that is wrong, for which AWS has other errors. */
  readonly isTooLong?: boolean;
}

/**
 * Checks a policy that is to be attached, strictly: what we would not evaluate as its author means it is refused when it
 * is written.
 */
export function checkPolicyDocument(text: string, kind: PolicyKind, options: CheckOptions = {}): Checked {
  const maxCharacters = options.maxCharacters ?? rules[kind].maxCharacters;
  const size = policySize(text, kind);
  if (size > maxCharacters || text.length > maxLength) {
    const problem = `longer than ${maxCharacters} characters`;
    return { problem, message: `Policy size exceeds the limit of ${maxCharacters} characters.`, isTooLong: true };
  }
  try {
    checkDocument(parsePolicyDocument(text), kind);
    return {};
  } catch (error) {
    if (error instanceof Malformed) return { problem: error.message, message: error.said };
    throw error;
  }
}

/** The characters that count against a limit: IAM and STS leave out white space, ECR and Organizations do not. */
export function policySize(text: string, kind: PolicyKind): number {
  return rules[kind].countsBlanks ? text.length : text.replace(/\s+/g, "").length;
}

/** Of any policy, with all its white space. */
const maxLength = 131_072;

interface Rules {
  readonly maxCharacters: number;
  readonly countsBlanks?: boolean;
  readonly principal: "required" | "forbidden";
  readonly resource: "required" | "optional" | "forbidden";
  /** The one service whose actions can be in it. */
  readonly service?: string;
  readonly hasPlainSids?: boolean;
  readonly needsNewVersion?: boolean;
  /** What AWS says whatever is wrong. */
  readonly always?: string;
}

const ofPrincipals = { principal: "forbidden", resource: "required", hasPlainSids: true } as const;
const ofOrganization = {
  maxCharacters: 5120,
  countsBlanks: true,
  resource: "required",
  always: "The provided policy document does not meet the requirements of the specified policy type.",
} as const;
const ofRegistry = { maxCharacters: 10_240, countsBlanks: true, principal: "required", service: "ecr" } as const;

const rules: Record<PolicyKind, Rules> = {
  identity: { ...ofPrincipals, needsNewVersion: true, maxCharacters: 6144 },
  boundary: { ...ofPrincipals, needsNewVersion: true, maxCharacters: 6144 },
  session: { ...ofPrincipals, maxCharacters: 2048 },
  "service-control": { ...ofOrganization, principal: "forbidden" },
  "resource-control": { ...ofOrganization, principal: "required" },
  trust: { maxCharacters: 2048, principal: "required", resource: "forbidden", service: "sts", hasPlainSids: true },
  repository: { ...ofRegistry, resource: "optional" },
  registry: { ...ofRegistry, resource: "required" },
  key: { maxCharacters: 32_768, countsBlanks: true, principal: "required", resource: "required", service: "kms" },
};

/** One question after the other for the whole policy, because AWS asks them in this order and names the first. */
function checkDocument({ version, statements }: PolicyDocument, kind: PolicyKind): void {
  const { principal, resource, service, hasPlainSids, needsNewVersion, always } = rules[kind];
  try {
    if (needsNewVersion && version !== "2012-10-17") {
      throw new Malformed("Version must be 2012-10-17", "Policy document must be version 2012-10-17 or greater.");
    }
    for (const statement of statements) checkConditions(statement);
    for (const { at, resources } of statements) for (const name of resources?.values ?? []) checkFields(name, at);
    if (hasPlainSids) checkSids(statements);
    for (const statement of statements) checkPrincipals(statement, principal, kind);
    for (const { actions, at } of statements) {
      const problem = actions ? `${at}.Action is empty` : `${at} must have either Action or NotAction`;
      if (!actions?.values.length) throw new Malformed(problem, "Policy statement must contain actions.");
    }
    for (const statement of statements) checkHasResources(statement, resource);
    for (const { at, resources } of statements) for (const name of resources?.values ?? []) checkResource(name, at);
    for (const statement of statements) checkActions(statement, service);
  } catch (error) {
    if (error instanceof Malformed && always !== undefined) throw new Malformed(error.message, always);
    throw error;
  }
}

function checkConditions({ conditions, at }: Statement): void {
  for (const { name, key, values } of conditions) {
    // OIDC providers are prefixes too, with all that is in their addresses: `idp.example.com:8443/ci:sub`.
    if (!/^[a-z0-9][a-z0-9.:/_~%-]*:.+$/i.test(key))
      throw new Malformed(`${at} has the condition key '${key}'`, noVendor);
    const read = readConditionName(name);
    const bad = values.find((value) => read && !acceptsValue(read, value));
    if (bad !== undefined) throw new Malformed(`${at} compares '${key}' by ${name} with '${bad}'`, legacyParsing);
  }
}

function checkSids(statements: readonly Statement[]): void {
  const seen = new Set<string>();
  for (const { sid, at } of statements) {
    if (!sid) continue;
    if (!/^[0-9A-Za-z]+$/.test(sid)) {
      throw new Malformed(
        `${at}.Sid has other characters than letters and digits`,
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
      );
    }
    if (seen.has(sid)) {
      throw new Malformed(`${at}.Sid is not unique`, "Statement IDs (SID) in a single policy must be unique.");
    }
    seen.add(sid);
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

function checkPrincipals(statement: Statement, principal: Rules["principal"], kind: PolicyKind): void {
  const { principals, effect, at } = statement;
  if (principal === "forbidden") {
    if (principals)
      throw new Malformed(`${at} must not name principals`, "Policy document should not specify a principal.");
    return;
  }
  if (!principals)
    throw new Malformed(`${at} must have either Principal or NotPrincipal`, "Missing required field Principal");
  if (principals.negated && kind === "trust") {
    throw new Malformed(`${at} must not have NotPrincipal`, "AssumeRole policy must not contain NotPrincipal field.");
  }
  for (const { kind: form, name } of principals.values) {
    if (form === undefined && kind === "trust") {
      const said = `AssumeRolepolicy contained an invalid principal: "STAR":"${name}".`;
      throw new Malformed(`${at}.Principal must be an object`, said);
    }
    if (form !== undefined && !principalForms[form]?.test(name)) {
      throw new Malformed(`${at} has the ${form} principal '${name}'`, invalidPrincipal({ kind: form, name }));
    }
  }
  if (
    kind === "resource-control" &&
    (effect !== "Deny" || principals.negated || !principals.values.every(isEverybody))
  ) {
    throw new Malformed(`${at} must deny something to everybody`);
  }
}

function isEverybody({ name }: PrincipalName): boolean {
  return name === "*";
}

/** As AWS writes it, for an ARN of somebody that is not there too. */
function invalidPrincipal({ kind, name }: Required<PrincipalName>): string {
  return `Invalid principal in policy: "${kind?.toUpperCase()}":"${name}"`;
}

function checkHasResources({ resources, at }: Statement, resource: Rules["resource"]): void {
  if (resource === "forbidden" && resources) {
    throw new Malformed(`${at} must not name resources`, "Has prohibited field Resource");
  }
  if (resource === "required" ? !resources?.values.length : resources?.values.length === 0) {
    const problem = resources ? `${at}.Resource is empty` : `${at} must have either Resource or NotResource`;
    throw new Malformed(problem, "Policy statement must contain resources.");
  }
}

/** What is wrong with a resource beyond what AWS has a text for. */
function checkFields(name: string, at: string): void {
  const [arn, partition, service, ...rest] = name.split(":");
  if (arn !== "arn" || partition === undefined) return;
  const isCutInTheMiddle = rest.length < 3 && name.includes("::");
  // AWS puts variables into the last field only.
  const isTooEarly = [service, ...rest.slice(0, 2)].some((field) => field?.includes("${"));
  if (isCutInTheMiddle || isTooEarly || service === "" || rest[2] === "") {
    throw new Malformed(`${at} has the resource '${name}', which is not an ARN`, legacyParsing);
  }
}

/** What the last field of an ARN of IAM can begin with. */
const iamPaths = [
  "user/",
  "federated-user/",
  "role/",
  "group/",
  "instance-profile/",
  "mfa/",
  "server-certificate/",
  "policy/",
  "sms-mfa/",
  "saml-provider/",
  "oidc-provider/",
  "report/",
  "access-report/",
];

function checkResource(name: string, at: string): void {
  if (name === "*") return;
  const bad = (what: string, said: string) => new Malformed(`${at} has the resource '${name}', which ${what}`, said);
  const isNone = () => bad("is not an ARN", `Resource ${name} must be in ARN format or "*".`);
  if (!name.includes(":")) throw isNone();
  const [arn, partition = "", service, ...rest] = name.split(":");
  const [region = "*", owner = "*", ...last] = rest;
  if (!/^(?:aws(?:-[a-z]+)*|\*)$/.test(partition)) {
    const whole = [partition, service || "*", region, owner, last.join(":") || "*"].join(":");
    throw bad("has no partition", `Partition "${partition}" is not valid for resource "arn:${whole}".`);
  }
  if (arn !== "arn") throw isNone();
  if (service === undefined || /[^a-z0-9-]/i.test(service)) {
    throw bad("names no service", "Resource vendor must be fully qualified and cannot contain regexes.");
  }
  if (service !== "iam") return;
  if (region !== "" && rest.length > 0) {
    throw bad("has a region", `IAM resource ${name} cannot contain region information.`);
  }
  const path = last.join(":");
  if (last.length > 0 && path !== "*" && !iamPaths.some((start) => path.startsWith(start))) {
    throw bad("is not in IAM", `IAM resource path must either be "*" or start with ${iamPaths.join(", ")}.`);
  }
}

const noVendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";

function checkActions({ actions, at }: Statement, service: string | undefined): void {
  for (const action of actions?.values ?? []) {
    const bad = (said: string) => new Malformed(`${at} has the action '${action}'`, said);
    const [vendor = "", name, ...more] = action.split(":");
    if (service === "sts" && !/^sts:/i.test(action))
      throw bad("AssumeRole policy may only specify STS AssumeRole actions.");
    if (action === "*") continue;
    if (name === undefined) throw bad(noVendor);
    if (more.length > 0) throw bad("Actions/Condition can contain only one colon.");
    if (!/^(?:\*|[a-z0-9.-]+)$/i.test(vendor)) throw bad(`Vendor ${vendor} is not valid`);
    if (!/^[a-z0-9*?_-]+$/i.test(name)) throw bad(legacyParsing);
    if (service !== undefined && vendor.toLowerCase() !== service) throw bad(legacyParsing);
  }
}

/** What registry policies were made for (ECR user guide, "Registry policy scope"). */
const firstRegistryActions = [
  "ecr:replicateimage",
  "ecr:batchimportupstreamimage",
  "ecr:createrepository",
  "ecr:*",
  "*",
];

/**
 * Whether a registry policy, good as such, fits a registry whose policy scope is `V1`.
 * @throws Malformed for a text that is no policy
 */
export function fitsFirstRegistryScope(text: string): boolean {
  return parsePolicyDocument(text).statements.every(
    ({ actions }) =>
      actions &&
      !actions.negated &&
      actions.values.every((action) => firstRegistryActions.includes(action.toLowerCase())),
  );
}
