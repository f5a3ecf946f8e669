/** What counts as no value: no key, no values, or an empty text. */
function isNull(value: string | readonly string[] | undefined): boolean {
  return value === undefined || value.length === 0;
}

/** `Null`: whether the key has no value (`"true"`), or has one (`"false"`). */
export function compileNull(values: readonly string[]): (value: string | readonly string[] | undefined) => boolean {
  const wanted = new Set(values.map((value) => value.toLowerCase()));
  return (value) => wanted.has(String(isNull(value)));
}

export function acceptsNull(value: string): boolean {
  return ["true", "false"].includes(value.toLowerCase());
}
