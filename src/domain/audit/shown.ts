/**
 * What of an input or output may be kept for years: nothing that opens anything, no content of images, and not more
 * than a reader needs. Whoever adds an operation has nothing to do for it, unless it has a secret under a name that
 * says nothing of the kind.
 */
export function shown(value: unknown): unknown {
  const budget = { members: maxMembers, characters: maxCharacters };
  return reduced(value, budget, 0);
}

/** CloudTrail's own words for what it leaves out. */
export const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
const cut = "…";

const maxDepth = 8;
/** Over all levels. */
const maxMembers = 500;
const maxCharacters = 32 * 1024;
/** The longest policy that a service takes has 10,240. */
const maxText = 10_240;

/** Names of members, in lower case and anywhere in them. */
const secret = /secret(?!id$|list$)|password|token|signature|privatekey|assertion|downloadurl/;
/** Where a list goes on, and content: of no use to a reader, long, or not for everybody who reads the trail. */
const leftOut = new Set(["nexttoken", "marker", "imagemanifest", "layerpartblob", "plaintext", "ciphertextblob"]);

interface Budget {
  members: number;
  characters: number;
}

function reduced(value: unknown, budget: Budget, depth: number): unknown {
  if (typeof value === "string") return shortened(value, budget);
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return undefined;
  if (depth === maxDepth) return cut;
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) {
      if (budget.members-- <= 0) return [...items, cut];
      items.push(reduced(item, budget, depth + 1));
    }
    return items;
  }
  const members: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (budget.members-- <= 0) break;
    const lower = name.toLowerCase();
    if (member === undefined || leftOut.has(lower)) continue;
    members[cloudTrailName(name)] = secret.test(lower) ? hidden : reduced(member, budget, depth + 1);
  }
  return members;
}

/** By code points: a record must be well-formed text. */
function shortened(text: string, budget: Budget): string {
  const room = Math.max(0, Math.min(maxText, budget.characters));
  budget.characters -= Math.min(text.length, room);
  if (text.length <= room) return text;
  return text.slice(0, room).toWellFormed() + cut;
}

/** CloudTrail begins names with a small letter, also where the API does not. */
function cloudTrailName(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
