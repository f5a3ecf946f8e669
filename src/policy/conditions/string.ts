import { keysIn, parseTemplate } from "../template.ts";
import { compileMatcher } from "../wildcards.ts";
import { type Operator, pair } from "./operator.ts";

const fold = (text: string) => text.toLowerCase();

function strings({ wildcards, ignoreCase }: { wildcards: boolean; ignoreCase: boolean }): Omit<Operator, "negated"> {
  return {
    prepare(values, { variables }) {
      const templates = values.map((value) => parseTemplate(value, { wildcards, variables }));
      const keys = templates.flatMap(keysIn);
      // Values of variables are folded too, so a context is wrapped only where there are any.
      const matchers = templates.map((parts) =>
        compileMatcher(
          ignoreCase ? parts.map((part) => (part.kind === "text" ? { ...part, text: fold(part.text) } : part)) : parts,
        ),
      );
      return {
        keys,
        test(value, context) {
          if (!ignoreCase) return matchers.some((matches) => matches(value, context));
          const folded = {
            get(key: string) {
              const found = context.get(key);
              return typeof found === "string" ? fold(found) : found;
            },
          };
          return matchers.some((matches) => matches(fold(value), keys.length === 0 ? context : folded));
        },
      };
    },
  };
}

const [StringEquals, StringNotEquals] = pair(strings({ wildcards: false, ignoreCase: false }));
const [StringEqualsIgnoreCase, StringNotEqualsIgnoreCase] = pair(strings({ wildcards: false, ignoreCase: true }));
const [StringLike, StringNotLike] = pair(strings({ wildcards: true, ignoreCase: false }));

export const stringOperators = {
  StringEquals,
  StringNotEquals,
  StringEqualsIgnoreCase,
  StringNotEqualsIgnoreCase,
  StringLike,
  StringNotLike,
};
