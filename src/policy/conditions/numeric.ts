import { comparing, pair } from "./operator.ts";

/** Digits behind the point. */
const scale = 30;

/** A decimal number as a whole number of 10^-30, which compares exactly; longer numbers are none. */
function parseDecimal(text: string): bigint | undefined {
  const [, sign, whole = "", fraction = ""] = /^([+-]?)([0-9]{0,30})(?:\.([0-9]{0,30}))?$/.exec(text) ?? [];
  if (whole === "" && fraction === "") return undefined;
  const value = BigInt(whole + fraction.padEnd(scale, "0"));
  return sign === "-" ? -value : value;
}

const numbers = (fits: (value: bigint, wanted: bigint) => boolean) => comparing(parseDecimal, fits);

const [NumericEquals, NumericNotEquals] = pair(numbers((value, wanted) => value === wanted));
const [NumericLessThan] = pair(numbers((value, wanted) => value < wanted));
const [NumericLessThanEquals] = pair(numbers((value, wanted) => value <= wanted));
const [NumericGreaterThan] = pair(numbers((value, wanted) => value > wanted));
const [NumericGreaterThanEquals] = pair(numbers((value, wanted) => value >= wanted));

export const numericOperators = {
  NumericEquals,
  NumericNotEquals,
  NumericLessThan,
  NumericLessThanEquals,
  NumericGreaterThan,
  NumericGreaterThanEquals,
};
