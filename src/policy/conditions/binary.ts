import { comparing, pair } from "./operator.ts";

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes, one to a character. */
function parseBase64(text: string): string | undefined {
  return base64.test(text) ? atob(text) : undefined;
}

const [BinaryEquals] = pair(comparing(parseBase64, (value, wanted) => value === wanted));

export const binaryOperators = { BinaryEquals };
