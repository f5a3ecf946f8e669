/** A word that a shell takes as it is. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The public URL for one registry. */
export function reachedBy(publicUrl: string, { account, region }: { account: string; region: string }): string {
  return publicUrl.replaceAll("{account}", account).replaceAll("{region}", region);
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
