/** Texts by text, as one column keeps them: what only Berth reads, and never searches, is JSON. */
export function toMap(json: string): ReadonlyMap<string, string> {
  return new Map(Object.entries(JSON.parse(json) as Record<string, string>));
}

export function fromMap(map: ReadonlyMap<string, string>): string {
  return JSON.stringify(Object.fromEntries(map));
}
