/** Where something stands in a text: lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Range {
  readonly start: Position;
  readonly end: Position;
}

/**
 * Where each statement of a policy stands: from behind the bracket, comma or colon before it to behind its brace, which
 * is how IAM's simulator counts. The text is a policy that was parsed before.
 */
export function statementRanges(text: string): Range[] {
  const ranges: Range[] = [];
  const positionOf = positions(text);
  /** How many braces and brackets are open; a statement is at 1 when it is alone, at 2 in a list. */
  let depth = 0;
  let key: string | undefined;
  let statementDepth = Number.POSITIVE_INFINITY;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"': {
        const end = endOfString(text, at);
        if (depth === 1 && /^\s*:/.test(text.slice(end, end + 64))) key = JSON.parse(text.slice(at, end)) as string;
        at = end - 1;
        break;
      }
      case ":":
        if (depth === 1) start = at + 1;
        break;
      case ",":
        if (depth === statementDepth) start = at + 1;
        break;
      case "[":
        if (depth === 1 && key === "Statement") {
          statementDepth = 2;
          start = at + 1;
        }
        depth++;
        break;
      case "{":
        if (depth === 1 && key === "Statement") statementDepth = 1;
        depth++;
        break;
      case "]":
      case "}":
        depth--;
        if (depth === statementDepth && text[at] === "}") {
          ranges.push({ start: positionOf(start), end: positionOf(at + 1) });
        }
        if (depth === 1) statementDepth = Number.POSITIVE_INFINITY;
    }
  }
  return ranges;
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

/** Asked for ascending offsets, it reads the text once. */
function positions(text: string): (offset: number) => Position {
  let line = 1;
  let lineStart = 0;
  return (offset) => {
    for (let end = text.indexOf("\n", lineStart); end >= 0 && end < offset; end = text.indexOf("\n", lineStart)) {
      line++;
      lineStart = end + 1;
    }
    return { line, column: offset - lineStart + 1 };
  };
}
