/** Whether a URL's host is one of those in a list, by name and port; `*.pkg.dev` stands for all names under one. */
export function isAmong(hosts: readonly string[] | undefined, { host }: URL): boolean {
  return (hosts ?? []).some((entry) => {
    const named = entry.toLowerCase();
    return named.startsWith("*.") ? host.endsWith(named.slice(1)) : host === named;
  });
}
