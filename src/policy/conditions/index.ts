import { rememberLatest } from "../latest.ts";
import type { Context } from "../question.ts";
import { arnOperators } from "./arn.ts";
import { binaryOperators } from "./binary.ts";
import { boolOperators } from "./bool.ts";
import { dateOperators } from "./date.ts";
import { ipOperators } from "./ip.ts";
import { acceptsNull, compileNull } from "./null.ts";
import { numericOperators } from "./numeric.ts";
import type { Operator } from "./operator.ts";
import { stringOperators } from "./string.ts";

/** By name (IAM user guide, "Condition operators"), all but `Null`, which looks at keys and not at values. */
const operators: ReadonlyMap<string, Operator> = new Map(
  Object.entries({
    ...stringOperators,
    ...numericOperators,
    ...dateOperators,
    ...boolOperators,
    ...binaryOperators,
    ...ipOperators,
    ...arnOperators,
  }),
);

export const operatorNames: readonly string[] = [...operators.keys(), "Null"];

export interface ConditionName {
  readonly set?: "ForAllValues" | "ForAnyValue";
  readonly operator: string;
  readonly ifExists: boolean;
}

/** Takes `ForAllValues:StringLikeIfExists` apart; `undefined` for an operator that there is not. */
export function readConditionName(name: string): ConditionName | undefined {
  const [, set, operator = "", suffix] = /^(?:(ForAllValues|ForAnyValue):)?(.*?)(IfExists)?$/.exec(name) ?? [];
  const ifExists = suffix !== undefined;
  if (operator === "Null" ? ifExists : !operators.has(operator)) return undefined;
  return { set: set as ConditionName["set"], operator, ifExists };
}

/** Whether an operator can do anything with a value of a policy. */
export function acceptsValue({ operator }: ConditionName, value: string): boolean {
  if (operator === "Null") return acceptsNull(value);
  return operators.get(operator)?.accepts?.(value) ?? true;
}

const nothing: Context = { get: () => undefined };

/** One line of a condition block: an operator, a key, and its values. */
export interface Condition {
  readonly name: string;
  readonly key: string;
  readonly values: readonly string[];
}

export interface CompiledCondition {
  /** The key, and those of variables in the values, in lower case. */
  readonly keys: readonly string[];
  holds(context: Context): boolean;
}

export function compileCondition(condition: Condition, options: { readonly variables: boolean }): CompiledCondition {
  const { name, values } = condition;
  const key = condition.key.toLowerCase();
  const read = readConditionName(name);
  if (!read) throw new Error(`no condition operator is named ${name}`);
  const { set, ifExists } = read;
  const operator = operators.get(read.operator);
  if (!operator) {
    const holds = compileNull(values);
    return { keys: [key], holds: (context) => holds(context.get(key)) };
  }

  const { negated } = operator;
  const { test, keys = [] } = operator.prepare(values, options);
  const asksNothingElse = keys.length === 0;
  const remembered = asksNothingElse && rememberLatest((value) => test(value, nothing) !== negated);
  const holdsFor = remembered || ((value: string, context: Context) => test(value, context) !== negated);
  return {
    keys: [key, ...keys],
    holds(context) {
      const value = context.get(key);
      if (typeof value === "string") {
        // An empty text is a value, though no member of a set.
        return value === "" && set !== undefined ? set === "ForAllValues" : holdsFor(value, context);
      }
      if (value === undefined || value.length === 0) {
        return ifExists || set === "ForAllValues" || (negated && set === undefined);
      }
      if (set === "ForAllValues") return value.every((one) => holdsFor(one, context));
      return value.some((one) => holdsFor(one, context));
    },
  };
}
