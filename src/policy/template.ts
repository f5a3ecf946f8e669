import type { Context } from "./question.ts";

/** A piece of a text in a policy that is not all literal. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  /** `*` */
  | { readonly kind: "any" }
  /** `?` */
  | { readonly kind: "one" }
  | Variable;

/** `${key}` or `${key, 'fallback'}` (IAM user guide, "Policy variables"). */
interface Variable {
  readonly kind: "variable";
  /** In lower case. */
  readonly key: string;
  readonly fallback?: string;
}

export interface TemplateOptions {
  /** Whether `*` and `?` are wildcards. */
  readonly wildcards: boolean;
  /** Whether the policy's version knows variables. */
  readonly variables: boolean;
}

const variable = /^\$\{(?:([*?$])|\s*([^\s${},'*?]+)\s*(?:,\s*'([^'{}]*)'\s*)?)\}/;
/** No variable is longer, so that a text of many `${` is read in linear time. */
const maxVariable = 512;

export function parseTemplate(source: string, { wildcards, variables }: TemplateOptions): Part[] {
  const parts: Part[] = [];
  let text = "";
  function add(part: Exclude<Part, { kind: "text" }>) {
    if (text) parts.push({ kind: "text", text });
    text = "";
    parts.push(part);
  }
  for (let at = 0; at < source.length; at++) {
    const character = source.charAt(at);
    if (variables && character === "$" && source.charAt(at + 1) === "{") {
      const found = variable.exec(source.slice(at, at + maxVariable));
      if (found) {
        const [whole, escaped, key, fallback] = found;
        if (escaped !== undefined) text += escaped;
        else if (key !== undefined) add({ kind: "variable", key: key.toLowerCase(), fallback });
        at += whole.length - 1;
        continue;
      }
    }
    if (wildcards && character === "*") add({ kind: "any" });
    else if (wildcards && character === "?") add({ kind: "one" });
    else text += character;
  }
  if (text) parts.push({ kind: "text", text });
  return parts;
}

/** The condition keys that its variables stand for. */
export function keysIn(parts: readonly Part[]): string[] {
  return parts.flatMap((part) => (part.kind === "variable" ? [part.key] : []));
}

/**
 * The parts with each variable's value as literal text: wildcards in a value do not act. `undefined` where a variable
 * has no value, or several.
 */
export function substitute(parts: readonly Part[], context: Context): Part[] | undefined {
  const result: Part[] = [];
  for (const part of parts) {
    if (part.kind !== "variable") {
      result.push(part);
      continue;
    }
    const value = context.get(part.key) ?? part.fallback;
    if (typeof value !== "string") return undefined;
    result.push({ kind: "text", text: value });
  }
  return result;
}

/** Splits at the first `limit - 1` colons of literal text. A colon in a variable's name or value is none of them. */
export function splitAtColons(parts: readonly Part[], limit: number): Part[][] {
  const fields: Part[][] = [[]];
  for (const part of parts) {
    if (part.kind !== "text") {
      fields.at(-1)?.push(part);
      continue;
    }
    const pieces = part.text.split(":");
    // What is behind the last counted colon stays together.
    const last = Math.min(pieces.length, limit - fields.length + 1) - 1;
    const rest = pieces.slice(last).join(":");
    [...pieces.slice(0, last), rest].forEach((text, index) => {
      if (index > 0) fields.push([]);
      if (text) fields.at(-1)?.push({ kind: "text", text });
    });
  }
  return fields;
}
