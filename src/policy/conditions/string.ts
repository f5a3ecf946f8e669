import type { Context } from "../question.ts";
import { keysIn, parseTemplate } from "../template.ts";
import { compileMatcher } from "../wildcards.ts";
import { type Operator, pair } from "./operator.ts";

const fold = (text: string) => text.toLowerCase();

function strings({ wildcards }: { wildcards: boolean }): Omit<Operator, "negated"> {
  return {
    prepare(values, { variables }) {
      const templates = values.map((value) => parseTemplate(value, { wildcards, variables }));
      const matchers = templates.map(compileMatcher);
      return {
        keys: templates.flatMap(keysIn),
        test: (value, context) => matchers.some((matches) => matches(value, context)),
      };
    },
  };
}

/** Compares in lower case: the policy's text, the request's value, and the values of variables. */
function ignoringCase(operator: Omit<Operator, "negated">): Omit<Operator, "negated"> {
  return {
    prepare(values, options) {
      // A variable's name is read in lower case anyway.
      const { keys, test } = operator.prepare(values.map(fold), options);
      return { keys, test: (value, context) => test(fold(value), foldedContext(context)) };
    },
  };
}

function foldedContext(context: Context): Context {
  return {
    get(key) {
      const value = context.get(key);
      return typeof value === "string" ? fold(value) : value;
    },
  };
}

const [StringEquals, StringNotEquals] = pair(strings({ wildcards: false }));
const [StringEqualsIgnoreCase, StringNotEqualsIgnoreCase] = pair(ignoringCase(strings({ wildcards: false })));
const [StringLike, StringNotLike] = pair(strings({ wildcards: true }));

export const stringOperators = {
  StringEquals,
  StringNotEquals,
  StringEqualsIgnoreCase,
  StringNotEqualsIgnoreCase,
  StringLike,
  StringNotLike,
};
