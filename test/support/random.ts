/** Chance that can be had again: the same seed gives the same numbers. */
export interface Random {
  /** From 0 to `limit - 1`. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** By weight. */
  weighted<Item>(items: readonly (readonly [weight: number, item: Item])[]): Item;
}

export function createRandom(seed: string): Random {
  // mulberry32, which is plenty for choosing among a handful of things.
  let state = Number(BigInt.asUintN(32, BigInt(Bun.hash(seed))));
  function next(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick<Item>(items: readonly Item[]) {
      if (items.length === 0) throw new Error("nothing to pick from");
      return items[below(items.length)] as Item;
    },
    weighted<Item>(items: readonly (readonly [number, Item])[]) {
      let left = next() * items.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, item] of items) {
        left -= weight;
        if (left < 0) return item;
      }
      throw new Error("nothing to pick from");
    },
  };
}
