import { z } from "zod";
import { CallRefused } from "./errors.ts";

/** One constraint that an input breaks, in AWS's words. */
export interface Problem {
  /** `filter.tagStatus`; positions in lists are left out. */
  readonly member: string;
  readonly constraint: string;
  readonly value: unknown;
}

export type Input = { readonly value: unknown } | { readonly problems: readonly Problem[] };

/**
 * Checks a decoded input against the operation's shape. Members that the shape does not know are dropped.
 * @throws CallRefused where a member has another type than the model says: that is a broken document, not a bad value
 */
export function checkInput(schema: z.ZodObject, decoded: unknown): Input {
  const result = schema.safeParse(decoded, { reportInput: true });
  if (result.success) {
    const withNul = [...membersWithNul(result.data)];
    return withNul.length === 0 ? { value: result.data } : { problems: withNul };
  }
  const { issues } = result.error;
  const wrong = issues.find(isWrongType);
  if (wrong) throw new CallRefused("Unreadable", `The value of '${memberOf(wrong.path)}' has the wrong type`);
  return { problems: issues.map(problemOf) };
}

/** No text of any AWS API has the character U+0000, and PostgreSQL keeps none that has it. */
function* membersWithNul(value: unknown, path: readonly string[] = []): Iterable<Problem> {
  if (typeof value === "string" && value.includes("\0")) {
    yield { member: memberOf(path), constraint: mustMatch("[^\\u0000]*"), value };
  }
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  const isList = Array.isArray(value);
  for (const [key, member] of Object.entries(value)) yield* membersWithNul(member, isList ? path : [...path, key]);
}

/** For shapes that find a wrong type only while they parse, such as base64. */
export const wrongType = { wrongType: true };

function isWrongType(issue: z.core.$ZodIssue): boolean {
  if (issue.code === "custom") return issue.params?.wrongType === true;
  if (isMissing(issue)) return false;
  return issue.code === "invalid_type" || (issue.code === "invalid_value" && typeof issue.input !== "string");
}

function isMissing({ code, input }: z.core.$ZodIssue): boolean {
  return (code === "invalid_type" || code === "invalid_value") && (input === undefined || input === null);
}

function problemOf(issue: z.core.$ZodIssue): Problem {
  const constraint = constraintOf(issue);
  const isElement = typeof issue.path.at(-1) === "number";
  return {
    member: memberOf(issue.path),
    constraint: isElement ? `Member must satisfy constraint: [${constraint}]` : constraint,
    value: issue.input,
  };
}

function memberOf(path: readonly PropertyKey[]): string {
  return path.filter((step) => typeof step === "string").join(".") || "request";
}

function constraintOf(issue: z.core.$ZodIssue): string {
  if (isMissing(issue)) return "Member must not be null";
  switch (issue.code) {
    case "too_small":
      return `Member must have ${measureOf(issue.origin)} greater than or equal to ${issue.minimum}`;
    case "too_big":
      return `Member must have ${measureOf(issue.origin)} less than or equal to ${issue.maximum}`;
    case "invalid_value":
      return `Member must satisfy enum value set: [${issue.values.join(", ")}]`;
    default:
      return issue.message; // written in the shape
  }
}

function measureOf(origin: string): "length" | "value" {
  return origin === "string" || origin === "array" ? "length" : "value";
}

/** The message for a string that does not match; it shows the expression as the model has it. */
export function mustMatch(source: string): string {
  return `Member must satisfy regular expression pattern: ${source}`;
}

/** A string that matches `source` as a whole. */
export function pattern(source: string) {
  return z.string().regex(new RegExp(`^(?:${source})$`, "u"), mustMatch(source));
}

/** A string that becomes one of the domain's names; `constraint` is what the client reads when it is none. */
export function named<Name>(base: z.ZodString, parse: (text: string) => Name | undefined, constraint: string) {
  return base.transform((text, context): Name => {
    const name = parse(text);
    if (name !== undefined) return name;
    context.issues.push({ code: "custom", message: constraint, input: text });
    return z.NEVER;
  });
}
