import { comparing, pair } from "./operator.ts";

function parseBool(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  return lower === "true" || lower === "false" ? lower === "true" : undefined;
}

const [Bool] = pair(comparing(parseBool, (value, wanted) => value === wanted));

export const boolOperators = { Bool };
