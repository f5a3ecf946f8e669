import { hash } from "node:crypto";

/** Opening costs more than deciding, and a client sends one token with all requests of its pulls. */
const rememberedMs = 60_000;
const maxRemembered = 1_000;

/**
 * Remembers for a minute what good tokens say, which never changes: not whether they still count, which whoever asks
 * has to find out each time. Texts that open nothing are not remembered, and no token itself is: it is known by its hash.
 */
export function rememberOpened<Token extends object>(
  open: (text: string) => Token | undefined,
): (text: string) => Token | undefined {
  /** First the one that was opened first. */
  const opened = new Map<string, { readonly token: Token; readonly openedAt: number }>();
  return (text) => {
    const key = hash("sha256", text, "base64");
    const known = opened.get(key);
    const now = performance.now();
    if (known && now - known.openedAt < rememberedMs) return known.token;
    opened.delete(key);
    const token = open(text);
    if (!token) return undefined;
    opened.set(key, { token: frozen(token), openedAt: now });
    for (const oldest of opened.keys()) {
      if (opened.size <= maxRemembered) break;
      opened.delete(oldest);
    }
    return token;
  };
}

/** Many requests share it. */
function frozen<Value extends object>(value: Value): Value {
  for (const member of Object.values(value)) if (typeof member === "object" && member !== null) frozen(member);
  return Object.freeze(value);
}
