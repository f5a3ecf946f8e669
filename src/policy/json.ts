/**
 * JSON as a security boundary wants it: one document has one meaning. `JSON.parse` lets the last of two equal keys win,
 * other parsers the first; a document with both could pass a check here and mean something else elsewhere.
 */
export type StrictJson = { readonly value: unknown } | { readonly problem: string };

/** Parses `text`, refusing duplicate keys and nesting deeper than `maxDepth`. Linear in the text, never recursive. */
export function parseStrictJson(text: string, { maxDepth }: { maxDepth: number }): StrictJson {
  const problem = structureProblem(text, maxDepth);
  if (problem) return { problem };
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { problem: "not valid JSON" };
  }
}

/**
 * Walks the tokens that matter here (strings, braces, brackets, commas) without checking the grammar, which `JSON.parse`
 * does afterwards. Depth is checked first, so that a hostile document never reaches a recursive parser.
 */
function structureProblem(text: string, maxDepth: number): string | undefined {
  /** The keys seen in each open object; `undefined` for an open array. */
  const open: (Set<string> | undefined)[] = [];
  let expectsKey = false;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case "{":
      case "[": {
        const isObject = text[at] === "{";
        open.push(isObject ? new Set() : undefined);
        if (open.length > maxDepth) return `nested deeper than ${maxDepth} levels`;
        expectsKey = isObject;
        break;
      }
      case "}":
      case "]":
        open.pop();
        expectsKey = false;
        break;
      case ",":
        expectsKey = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (end === undefined) return "not valid JSON";
        if (expectsKey) {
          const key = unescaped(text.slice(at, end + 1));
          const keys = open.at(-1);
          if (key === undefined) return "not valid JSON";
          if (keys?.has(key)) return `the key '${key.slice(0, 128)}' stands twice in one object`;
          keys?.add(key);
          expectsKey = false;
        }
        at = end;
        break;
      }
    }
  }
  return undefined;
}

/** Where the string that begins at `start` ends: the position of its closing quote. */
function endOfString(text: string, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return undefined;
}

function unescaped(literal: string): string | undefined {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    return undefined;
  }
}
