import type { Context } from "./question.ts";
import { keysIn, parseTemplate, splitAtColons } from "./template.ts";
import { compileMatcher } from "./wildcards.ts";

/** `arn`, partition, service, region, account, resource. */
const fieldsOfArn = 6;

/** The six fields of an ARN; `undefined` for what is none. */
export function splitArn(text: string): readonly string[] | undefined {
  const fields: string[] = [];
  let from = 0;
  for (let index = 1; index < fieldsOfArn; index++) {
    const colon = text.indexOf(":", from);
    if (colon < 0) return undefined;
    fields.push(text.slice(from, colon));
    from = colon + 1;
  }
  fields.push(text.slice(from));
  return fields[0] === "arn" ? fields : undefined;
}

export interface ArnPattern {
  readonly keys: readonly string[];
  /** @param fields those of `splitArn` */
  matches(fields: readonly string[], context: Context): boolean;
}

/**
 * Field by field, so that a wildcard in one of the first five stays in it; only the last field has colons of its own.
 * Fields that are missing at the end count as `*` (IAM user guide, "IAM ARNs", incomplete ARNs).
 */
export function compileArnPattern(text: string, options: { readonly variables: boolean }): ArnPattern {
  const parts = parseTemplate(text, { wildcards: true, variables: options.variables });
  const fields = splitAtColons(parts, fieldsOfArn);
  const matchers = fields.map(compileMatcher);
  return {
    keys: keysIn(parts),
    matches(wanted, context) {
      for (let index = 0; index < matchers.length; index++) {
        if (!matchers[index]?.(wanted[index] ?? "", context)) return false;
      }
      return true;
    },
  };
}
