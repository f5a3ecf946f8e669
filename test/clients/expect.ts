/** The few assertions that the checks need; each says what was expected and what came. */

export function equal(actual: unknown, expected: unknown, what: string): void {
  if (Bun.deepEquals(actual, expected)) return;
  throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
}

export function contains(text: string, part: string | RegExp, what: string): void {
  if (typeof part === "string" ? text.includes(part) : part.test(text)) return;
  throw new Error(`${what}: expected ${part} in\n${text.trim()}`);
}

export function holds(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** A value that must be there. */
export function present<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new Error(`${what} is missing`);
  return value;
}
