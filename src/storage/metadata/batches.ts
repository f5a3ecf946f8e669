/** A manifest may name thousands of layers, and a statement takes a limited number of parameters. */
const rowsPerStatement = 500;

export function chunked<Item>(items: readonly Item[]): Item[][] {
  const chunks: Item[][] = [];
  for (let at = 0; at < items.length; at += rowsPerStatement) chunks.push(items.slice(at, at + rowsPerStatement));
  return chunks;
}

/** Batches of several processes name their rows in the same order, so that none waits for one that waits for it. */
export function inOrder<Value>(entries: ReadonlyMap<string, Value>): [string, Value][] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}
