/** A TypeScript source without its comments, with each string taken out: what is left can be searched. */
export interface Source {
  /** The code. A string literal is `"#n"`, its number in `strings`. Lines are where they were. */
  readonly code: string;
  readonly strings: readonly string[];
}

export interface Import {
  readonly from: string;
  readonly line: number;
  /** `import type …`: nothing of it is left when the program runs. */
  readonly typeOnly: boolean;
}

export function importsIn({ code, strings }: Source): Import[] {
  const found: Import[] = [];
  const add = (pattern: RegExp, typeOnly: (match: RegExpExecArray) => boolean) => {
    for (const match of code.matchAll(pattern)) {
      const from = strings[Number(match.groups?.n)] ?? "";
      found.push({ from, line: lineAt(code, match.index + match[0].length), typeOnly: typeOnly(match) });
    }
  };
  add(/\b(?:import|export)\b(?<type>\s+type\b(?!\s*(?:,|from\b)))?[^;"]*?\bfrom\s*"#(?<n>\d+)"/g, (match) => {
    return match.groups?.type !== undefined;
  });
  add(/\bimport\s*"#(?<n>\d+)"/g, () => false);
  add(/\b(?:import|require)\s*\(\s*"#(?<n>\d+)"/g, () => false);
  return found.sort((a, b) => a.line - b.line);
}

/** Lines on which the pattern occurs in code, not in a comment or a string. */
export function linesWith({ code }: Source, pattern: RegExp): number[] {
  return [...code.matchAll(new RegExp(pattern, "g"))].map((match) => lineAt(code, match.index));
}

function lineAt(code: string, index: number): number {
  return code.slice(0, index).split("\n").length;
}

/** What may stand before a `/` that begins a regular expression rather than divides. */
const beforeRegex = /(?:^|[(,=:[!&|?{};+*%<>~^-]|\b(?:return|typeof|case|in|of|do|else|await|yield|throw))\s*$/;

export function readSource(text: string): Source {
  const strings: string[] = [];
  let code = "";
  /** For each template that is open around the current code: how many braces are open inside its `${`. */
  const templates: number[] = [];

  const keepLines = (skipped: string) => skipped.replace(/[^\n]/g, "");
  const takeString = (content: string) => {
    code += `"#${strings.push(content) - 1}"${keepLines(content)}`;
  };
  /** Reads a template from `at` to its end or its next `${`. Answers where code goes on. */
  const takeTemplate = (at: number): number => {
    const [content = ""] = /^(?:\\[\s\S]|\$(?!\{)|[^\\`$])*/.exec(text.slice(at)) ?? [];
    takeString(content);
    const end = at + content.length;
    if (text.startsWith("${", end)) {
      templates.push(0);
      code += "+(";
      return end + 2;
    }
    return end + 1;
  };

  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at, at + 2);
    const char = text.charAt(at);
    const match = (pattern: RegExp) => pattern.exec(text.slice(at))?.[0] ?? char;
    if (rest === "//") at += match(/^\/\/[^\n]*/).length;
    else if (rest === "/*") {
      const comment = match(/^\/\*[\s\S]*?\*\//);
      code += ` ${keepLines(comment)}`;
      at += comment.length;
    } else if (char === '"' || char === "'") {
      const literal = match(/^(?:"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*')/);
      takeString(literal.slice(1, -1));
      at += literal.length;
    } else if (char === "`") at = takeTemplate(at + 1);
    else if (char === "/" && beforeRegex.test(code.slice(-40))) {
      const literal = match(/^\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/);
      code += "/./";
      at += literal.length;
    } else {
      const depth = templates.length - 1;
      if (char === "{" && depth >= 0) templates[depth] = (templates[depth] ?? 0) + 1;
      if (char === "}" && depth >= 0 && templates[depth] === 0) {
        templates.pop();
        code += ")+";
        at = takeTemplate(at + 1);
        continue;
      }
      if (char === "}" && depth >= 0) templates[depth] = (templates[depth] ?? 0) - 1;
      code += char;
      at++;
    }
  }
  return { code, strings };
}
