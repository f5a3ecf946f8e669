/** What others wrote, for one line of a log. Some show in an error what they were sent: `secrets` are left out. */
export function printable(text: string, secrets: readonly string[], maxLength: number): string {
  const shown = secrets.reduce((rest, secret) => (secret === "" ? rest : rest.replaceAll(secret, "…")), text);
  return shown
    .replace(/[^\x20-\x7e…]+/g, " ")
    .slice(0, maxLength)
    .trim();
}
