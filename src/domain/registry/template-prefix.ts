/** The prefix of what no other one is for. */
export const rootPrefix = "ROOT";

/** What a prefix stands for: there always is a slash at its end, whether it is written or not. */
export function namespaceOf(prefix: string): string {
  return prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
}
