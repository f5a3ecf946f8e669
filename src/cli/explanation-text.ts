import { printable } from "./text.ts";

/** What `ExplainDecision` answers. */
export interface Explained {
  readonly allowed: boolean;
  readonly because: string;
  readonly statement?: Statement;
  readonly layers: readonly Layer[];
  readonly missingKeys: readonly string[];
  readonly withheld: boolean;
  readonly principalArn: string;
  readonly action: string;
  readonly resourceArn: string;
  readonly requestId?: string;
  /** Seconds since 1970. */
  readonly deniedAt?: number;
  readonly allowedNow?: boolean;
}

interface Statement {
  readonly policyKind: string;
  readonly policyName: string;
  readonly sid?: string;
  readonly index: number;
}

interface Layer {
  readonly policyKind: string;
  readonly verdict: string;
  readonly statements: readonly Statement[];
}

/** The explanation for somebody at a terminal. */
export function explanationText(answer: Explained): string {
  const { allowed, because, statement, principalArn, action, resourceArn, requestId, deniedAt } = answer;
  const when = deniedAt === undefined ? "" : ` at ${new Date(deniedAt * 1000).toISOString()}`;
  const paragraphs = [
    [`${allowed ? "Allowed" : "Denied"}${when}, ${because}`],
    table([
      ["principal", principalArn],
      ["action", action],
      ["resource", resourceArn],
      ...(requestId === undefined ? [] : [["request", requestId]]),
      ...(statement ? [["decided by", nameOf(statement)]] : []),
    ]),
    layerLines(answer),
    missingLines(answer),
    helpLines(answer),
  ];
  return paragraphs
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map(printable).join("\n"))
    .join("\n\n");
}

/** What people call each kind, and how an access-denied message does. */
const kinds: Record<string, { readonly title: string; readonly inMessage: RegExp; help(asked: Asked): string }> = {
  "service-control": {
    title: "service control policies",
    inMessage: /service control policy/,
    help: ({ action }) =>
      `Every level of the organization from the root down to the account has to allow ${action}: attach a service control policy that does where none is.`,
  },
  "resource-control": {
    title: "resource control policies",
    inMessage: /resource control policy/,
    help: ({ action }) =>
      `Every level above the resource's account has to allow ${action} in a resource control policy.`,
  },
  registry: {
    title: "registry policy",
    inMessage: /resource-based policy/,
    help: ({ action, resource }) =>
      `Allow ${action} on ${resource} in the policy of the registry (put-registry-policy).`,
  },
  repository: {
    title: "repository policy",
    inMessage: /resource-based policy/,
    help: ({ action, principal }) =>
      `Allow ${action} for ${principal} in the policy of the repository (set-repository-policy). Somebody of another account needs that and a policy of their own.`,
  },
  trust: {
    title: "trust policy of the role",
    inMessage: /role trust policy/,
    help: ({ action, principal }) =>
      `Allow ${action} for ${principal} in the trust policy of the role (update-assume-role-policy).`,
  },
  identity: {
    title: "policies of the principal",
    inMessage: /identity-based policy/,
    help: ({ action, resource, principal }) => `Allow ${action} on ${resource} in a policy of ${holderOf(principal)}.`,
  },
  boundary: {
    title: "permissions boundary",
    inMessage: /permissions boundary/,
    help: ({ action }) =>
      `The permissions boundary has to allow ${action} too: it limits what all other policies give.`,
  },
  session: {
    title: "session policies",
    inMessage: /session policy/,
    help: ({ action }) =>
      `The session was made with policies that do not allow ${action}: assume the role with others, or with none.`,
  },
};

interface Asked {
  readonly action: string;
  readonly resource: string;
  readonly principal: string;
}

const verdicts: Record<string, string> = {
  allowed: "allow it",
  explicitDeny: "deny it",
  implicitDeny: "do not allow it",
};

function layerLines({ layers, withheld }: Explained): string[] {
  const rows = layers.map(({ policyKind, verdict, statements }) => [
    kinds[policyKind]?.title ?? policyKind,
    verdicts[verdict] ?? verdict,
    statements.map(nameOf).join(", "),
  ]);
  const more = withheld ? ["  Policies that you may not read are not shown; they may have had a say."] : [];
  return rows.length + more.length === 0 ? [] : ["What each kind of policy says:", ...table(rows), ...more];
}

function missingLines({ missingKeys }: Explained): string[] {
  if (missingKeys.length === 0) return [];
  return [
    "Condition keys that policies ask for and that the request did not have:",
    ...missingKeys.map((key) => `  ${key}`),
    `To see what is decided with them: --context ${missingKeys[0]}=VALUE`,
  ];
}

function helpLines(answer: Explained): string[] {
  const { allowed, allowedNow, because, statement, action, resourceArn: resource, principalArn: principal } = answer;
  if (allowed) return [];
  if (allowedNow) return ["By now the same request would be allowed: try again."];
  if (because.includes("explicit deny")) {
    const which = statement ? `${nameOf(statement)}` : "the statement that denies it";
    return [`What would help:`, `  No allow outweighs a deny: narrow ${which}, or take it out.`];
  }
  const helps = Object.values(kinds).filter(({ inMessage }) => inMessage.test(because));
  // A registry's policy is seldom what is missing; where both may be, the repository's is named.
  const help = helps.at(-1)?.help({ action, resource, principal });
  return help === undefined ? [] : ["What would help:", `  ${help}`];
}

/** Whose policies count: a session has those of its role. */
function holderOf(principal: string): string {
  const [, role] = /:assumed-role\/([^/]+)\//.exec(principal) ?? [];
  if (role !== undefined) return `the role ${role}`;
  return principal.includes(":user/") ? `${principal}, or of a group that it is in` : principal;
}

function nameOf({ policyName, sid, index }: Statement): string {
  return `statement ${index + 1}${sid === undefined ? "" : ` (${sid})`} of ${policyName}`;
}

/** Columns that are as wide as they have to be. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd());
}
