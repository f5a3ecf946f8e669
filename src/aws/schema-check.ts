/**
 * For tests: whether a JSON document is what the published client's own schema says. Stricter than the client, which
 * overlooks members that it does not know and takes times in several forms.
 */

/** A schema as the SDK writes it down (`@smithy/types`, "static schemas"): a number, a tuple, or a thunk of one. */
type SchemaRef = number | "unit" | readonly unknown[] | (() => SchemaRef);

/** What an operation without an output has for one. */
const nothing = [3, "", "Unit", 0, [], []] as const;

const kinds = { list: 1, map: 2, struct: 3, error: -3 };
const listOf = 0b0100_0000;
const mapOf = 0b1000_0000;

/** Every deviation, with its path. */
export function deviations(schema: unknown, value: unknown, path = "$"): string[] {
  const ref = resolve(schema as SchemaRef);
  if (typeof ref === "number") return simpleDeviations(ref, value, path);
  const [kind, , , , first, second, requiredCount = 0] = ref;
  switch (kind) {
    case kinds.list:
      return listDeviations(first as SchemaRef, value, path);
    case kinds.map:
      return mapDeviations(second as SchemaRef, value, path);
    case kinds.struct:
    case kinds.error:
      return structDeviations(first as string[], second as SchemaRef[], requiredCount as number, value, path);
    default:
      return simpleDeviations(first as number, value, path);
  }
}

/** Without thunks, and without the traits that a member can be paired with. */
function resolve(schema: SchemaRef): number | readonly unknown[] {
  if (typeof schema === "function") return resolve(schema());
  if (schema === "unit") return nothing;
  if (typeof schema === "number") return schema;
  return typeof schema[1] === "string" ? schema : resolve(schema[0] as SchemaRef);
}

function structDeviations(
  members: string[],
  schemas: SchemaRef[],
  requiredCount: number,
  value: unknown,
  path: string,
): string[] {
  if (!isObject(value)) return [`${path} is not an object`];
  const unknown = Object.keys(value).filter((name) => !members.includes(name));
  const missing = members.slice(0, requiredCount).filter((name) => !(name in value));
  return [
    ...unknown.map((name) => `${path}.${name} is not known`),
    ...missing.map((name) => `${path}.${name} is missing`),
    ...members.flatMap((name, index) =>
      name in value ? deviations(schemas[index], value[name], `${path}.${name}`) : [],
    ),
  ];
}

function listDeviations(element: SchemaRef, value: unknown, path: string): string[] {
  if (!Array.isArray(value)) return [`${path} is not a list`];
  return value.flatMap((item, index) => deviations(element, item, `${path}[${index}]`));
}

function mapDeviations(element: SchemaRef, value: unknown, path: string): string[] {
  if (!isObject(value)) return [`${path} is not an object`];
  return Object.entries(value).flatMap(([key, item]) => deviations(element, item, `${path}.${key}`));
}

function simpleDeviations(schema: number, value: unknown, path: string): string[] {
  if (schema & listOf) return listDeviations(schema & ~listOf, value, path);
  if (schema & mapOf) return mapDeviations(schema & ~mapOf, value, path);
  const expected = { 0: "string", 1: "number", 2: "boolean", 4: "number", 21: "string" }[schema];
  if (expected === undefined) return [`${path} has a schema that this check does not know: ${schema}`];
  if (typeof value !== expected) return [`${path} is not a ${expected}`];
  if (schema === 1 && !Number.isSafeInteger(value)) return [`${path} is not an integer`];
  return [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
