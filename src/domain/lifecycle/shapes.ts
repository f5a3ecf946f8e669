/**
 * What a document must look like, and what is wrong with one that does not, in the words of the JSON schema validator
 * that ECR answers with (moto's tests hold them; so do reports of users of Terraform). As that validator does, it looks
 * at all that lies side by side, and no deeper once something is wrong: several messages can come of one look.
 */
export type Shape =
  | {
      readonly type: "object";
      readonly members: Readonly<Record<string, Shape>>;
      readonly required: readonly string[];
      readonly alternatives?: Alternatives;
    }
  | { readonly type: "array"; readonly items: Shape; readonly least?: number; readonly most: number }
  | { readonly type: "string"; readonly values?: readonly string[]; readonly least?: number; readonly most?: number }
  | { readonly type: "integer"; readonly minimum: number };

/** Of which an object must fit one, by what its members are together. Asked only when none is missing. */
export interface Alternatives {
  readonly count: number;
  fits(value: Readonly<Record<string, unknown>>): boolean;
  /** What stands behind the message. */
  readonly end: string;
}

/** The largest number that ECR's own integers hold. */
export const largestInteger = 2 ** 31 - 1;

/** Messages, none for a document that has the shape. */
export function misfits(value: unknown, shape: Shape): string[] {
  const found: string[] = [];
  look(value, shape, found);
  return found;
}

function look(value: unknown, shape: Shape, found: string[]): void {
  const type = typeOf(value);
  if (type !== shape.type) {
    found.push(`instance type (${type}) does not match any allowed primitive type (allowed: ${list([shape.type])})`);
    return;
  }
  switch (shape.type) {
    case "object":
      lookAtObject(value as Record<string, unknown>, shape, found);
      break;
    case "array":
      lookAtArray(value as unknown[], shape, found);
      break;
    case "string":
      lookAtString(value as string, shape, found);
      break;
    case "integer": {
      const number = value as number;
      if (number < shape.minimum) found.push(tooSmall(shape.minimum, number));
      if (number > largestInteger) {
        found.push(
          `numeric instance is greater than the required maximum (maximum: ${largestInteger}, found: ${number})`,
        );
      }
    }
  }
}

export function tooSmall(minimum: number, number: number): string {
  return `numeric instance is lower than the required minimum (minimum: ${minimum}, found: ${number})`;
}

export function noAlternative({ count, end }: Pick<Alternatives, "count" | "end">): string {
  return `instance failed to match exactly one schema (matched 0 out of ${count})${end}`;
}

function lookAtObject(
  value: Record<string, unknown>,
  { members, required, alternatives }: Shape & { type: "object" },
  found: string[],
): void {
  const unknown = Object.keys(value).filter((name) => !Object.hasOwn(members, name));
  if (unknown.length > 0) {
    // Names are the sender's: a few of them, cut, say enough.
    const shown = unknown.sort().slice(0, 10).map(short);
    found.push(`object instance has properties which are not allowed by the schema: (${list(shown)})`);
  }
  const missing = required.filter((name) => !Object.hasOwn(value, name));
  if (missing.length === 0 && alternatives && !alternatives.fits(value)) found.push(noAlternative(alternatives));
  if (missing.length > 0) found.push(`object has missing required properties (${list(missing.sort())})`);
  if (found.length > 0) return;
  for (const [name, shape] of Object.entries(members)) {
    if (Object.hasOwn(value, name)) look(value[name], shape, found);
  }
}

function lookAtArray(value: unknown[], { items, least = 0, most }: Shape & { type: "array" }, found: string[]): void {
  const { length } = value;
  if (length < least) {
    found.push(`array is too short: must have at least ${least} elements but instance has ${length} elements`);
  }
  if (length > most) {
    found.push(`array is too long: must have at most ${most} elements but instance has ${length} elements`);
  }
  if (found.length > 0) return;
  for (const item of value) look(item, items, found);
}

function lookAtString(
  value: string,
  { values, least = 0, most = Number.POSITIVE_INFINITY }: Shape & { type: "string" },
  found: string[],
): void {
  if (values && !values.includes(value)) {
    found.push(`instance value (${short(value)}) not found in enum :(possible values: ${list([...values].sort())})`);
  }
  const { length } = value;
  if (length > most)
    found.push(`string ${JSON.stringify(short(value))} is too long (length: ${length}, maximum allowed: ${most})`);
  if (length < least) {
    found.push(`string ${JSON.stringify(value)} is too short (length: ${length}, required minimum: ${least})`);
  }
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** `["a", "b"]`, with a blank that JSON.stringify does not put there. */
function list(names: readonly string[]): string {
  return `[${names.map((name) => JSON.stringify(name)).join(", ")}]`;
}

function short(text: string): string {
  return text.length > 128 ? `${text.slice(0, 128)}…` : text;
}
