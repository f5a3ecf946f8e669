import { compileArnPattern, splitArn } from "../arns.ts";
import { type Operator, pair } from "./operator.ts";

const arns: Omit<Operator, "negated"> = {
  prepare(values, options) {
    const patterns = values.map((value) => compileArnPattern(value, options));
    return {
      keys: patterns.flatMap(({ keys }) => keys),
      test(value, context) {
        const fields = splitArn(value);
        return fields !== undefined && patterns.some((pattern) => pattern.matches(fields, context));
      },
    };
  },
};

// AWS gives both names the same meaning.
const [ArnLike, ArnNotLike] = pair(arns);

export const arnOperators = { ArnLike, ArnNotLike, ArnEquals: ArnLike, ArnNotEquals: ArnNotLike };
