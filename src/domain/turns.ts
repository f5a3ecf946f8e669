/**
 * Lets other requests have their turn. For long loops whose questions are answered at once, from memory or by a database in
 * this process: nobody else would be heard before their end.
 */
export function othersTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Does one work after the other: for what takes so much memory that one at a time is enough. */
export function inTurns(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  };
}

/** So many at once; the others wait in the order in which they came. */
export function createSlots(atOnce: number) {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return {
    /** @param signal whoever is told to stop while it waits does not begin */
    async run<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
      if (free > 0) free--;
      // Whoever ends hands the place on.
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        signal?.throwIfAborted();
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else free++;
      }
    },
  };
}
