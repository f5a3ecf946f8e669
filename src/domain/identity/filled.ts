import type { Paged } from "./ports.ts";

const chunk = 200;

/** A full page of a list of which not everything is shown. */
export async function filled<Item, Key, Shown>(
  { after, limit }: Paged<Key>,
  parts: {
    readonly read: (page: Paged<Key>) => Promise<readonly Item[]>;
    readonly keyOf: (item: Item) => Key;
    /** `undefined` for what is not shown. */
    readonly show: (item: Item) => Promise<Shown | undefined> | Shown | undefined;
  },
): Promise<Shown[]> {
  const shown: Shown[] = [];
  for (let last = after; ; ) {
    const items = await parts.read({ after: last, limit: chunk });
    for (const item of items) {
      const one = await parts.show(item);
      if (one !== undefined) shown.push(one);
      if (shown.length === limit) return shown;
      last = parts.keyOf(item);
    }
    if (items.length < chunk) return shown;
  }
}
