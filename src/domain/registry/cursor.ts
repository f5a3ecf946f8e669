import type { Digest } from "../names.ts";

/** A listing that is sorted by digest, to be read beside others. */
export interface Cursor<Item> {
  /** The next item, without taking it. */
  peek(): Promise<Item | undefined>;
  /** All items of this digest that come next. */
  take(digest: Digest): Promise<Item[]>;
  /** All items of this digest; those before it are passed over. */
  takeAt(digest: Digest): Promise<Item[]>;
}

export function createCursor<Item extends { readonly digest: Digest }>(items: AsyncIterable<Item>): Cursor<Item> {
  const iterator = items[Symbol.asyncIterator]();
  let head: Promise<IteratorResult<Item>> | undefined;
  async function peek(): Promise<Item | undefined> {
    head ??= iterator.next();
    const { done, value } = await head;
    return done ? undefined : value;
  }
  async function take(digest: Digest): Promise<Item[]> {
    const taken: Item[] = [];
    for (let item = await peek(); item?.digest === digest; item = await peek()) {
      taken.push(item);
      head = undefined;
    }
    return taken;
  }
  return {
    peek,
    take,
    async takeAt(digest) {
      for (let item = await peek(); item && item.digest < digest; item = await peek()) head = undefined;
      return take(digest);
    },
  };
}
