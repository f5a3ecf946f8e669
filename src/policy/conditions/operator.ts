import type { Context } from "../question.ts";

/** Whether one value of the request fits any of the policy's values. */
export type Test = (value: string, context: Context) => boolean;

export interface Prepared {
  readonly test: Test;
  /** Condition keys of the variables in the policy's values, in lower case. */
  readonly keys?: readonly string[];
}

export interface Operator {
  /** True where a value must fit none of the policy's values. */
  readonly negated: boolean;
  /** Whether a policy's value can fit anything at all. Absent: every value can. */
  readonly accepts?: (value: string) => boolean;
  /** Reads the policy's values once. A value that cannot be read fits nothing. */
  prepare(values: readonly string[], options: { readonly variables: boolean }): Prepared;
}

/** Operators that come in pairs: `StringLike` and `StringNotLike`. */
export function pair(operator: Omit<Operator, "negated">): [Operator, Operator] {
  return [
    { ...operator, negated: false },
    { ...operator, negated: true },
  ];
}

/** Operators whose values are of a type that is compared: numbers, dates, addresses. */
export function comparing<Value>(
  parse: (text: string) => Value | undefined,
  fits: (value: Value, wanted: Value) => boolean,
): Omit<Operator, "negated"> {
  return {
    accepts: (value) => parse(value) !== undefined,
    prepare(values) {
      const wanted = values.map(parse).filter((value) => value !== undefined);
      return {
        test(text) {
          const value = parse(text);
          return value !== undefined && wanted.some((one) => fits(value, one));
        },
      };
    },
  };
}
