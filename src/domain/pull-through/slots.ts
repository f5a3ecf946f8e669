/** So many at once; the others wait in the order in which they came. */
export function createSlots(atOnce: number): { with<Result>(work: () => Promise<Result>): Promise<Result> } {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return {
    async with(work) {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else free++;
      }
    },
  };
}
