/** What a registry wants to be shown (RFC 9110, 11.6.1; Distribution, "Token authentication specification"). */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const maxLength = 8 * 1024;
const maxChallenges = 8;
const tokenLetters = "!#$%&'*+.^_`|~0-9A-Za-z-";
const token = `[${tokenLetters}]+`;

/** All that can be read of a header; several of the name are joined by commas. What makes no sense ends it. */
export function parseChallenges(header: string | undefined): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  if (header === undefined || header.length > maxLength) return challenges;
  const parameter = new RegExp(`[\\s,]*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([:/${tokenLetters}]+))`, "y");
  const scheme = new RegExp(`[\\s,]*(${token})(?=[\\s,]|$)(?!\\s*=)(?: +[\\w.~+/-]+=*(?=\\s*(?:,|$)))?`, "y");
  for (let at = 0; at < header.length && challenges.length <= maxChallenges; ) {
    const match = (pattern: RegExp) => {
      pattern.lastIndex = at;
      const found = pattern.exec(header);
      if (found) at = pattern.lastIndex;
      return found;
    };
    const named = match(scheme);
    if (named) {
      challenges.push({ scheme: (named[1] ?? "").toLowerCase(), parameters: Object.create(null) });
      continue;
    }
    const current = challenges.at(-1);
    const given = current && match(parameter);
    if (!given) break;
    const name = (given[1] ?? "").toLowerCase();
    current.parameters[name] ??= given[2]?.replace(/\\(.)/g, "$1") ?? given[3] ?? "";
  }
  return challenges;
}
