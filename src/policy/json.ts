/** Either the value, or what is wrong with the text in words that end a sentence. */
export type StrictJson = { readonly value: unknown } | { readonly problem: string };

/**
 * JSON for documents that decide something: policies, manifests, requests. An object with the same key twice means
 * different things to different readers (RFC 8259, section 4), and a deep document costs its reader a stack; both are
 * refused. Everything else is JSON.parse.
 */
export function parseStrictJson(text: string, { maxDepth }: { maxDepth: number }): StrictJson {
  const problem = findProblem(text, maxDepth);
  if (problem !== undefined) return { problem };
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { problem: "not valid JSON" };
  }
}

/** Looks at structure only, in one pass before JSON.parse; whatever else is wrong with the text JSON.parse finds. */
function findProblem(text: string, maxDepth: number): string | undefined {
  /** The keys seen in each open object, innermost last; a list has none. */
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: // [
        if (open.length === maxDepth) return `nested deeper than ${maxDepth} levels`;
        open.push(text[at] === "{" ? new Set() : undefined);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        break;
      case 0x22: {
        const end = endOfString(text, at);
        const keys = open.at(-1);
        if (keys && isFollowedByColon(text, end)) {
          const key = decodeKey(text.slice(at, end));
          if (key === undefined) return "not valid JSON";
          if (keys.has(key))
            return `the key '${key.length > 64 ? `${key.slice(0, 64)}…` : key}' appears twice in an object`;
          keys.add(key);
        }
        at = end - 1;
      }
    }
  }
  return undefined;
}

/** The index behind the closing quote. Jumps from quote to quote, because a string can be a layer of 28 MB. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote > 0; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (" \t\r\n".includes(text.charAt(at)) && at < text.length) at++;
  return text.charAt(at) === ":";
}

function decodeKey(literal: string): string | undefined {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return JSON.parse(literal);
  } catch {
    return undefined;
  }
}
