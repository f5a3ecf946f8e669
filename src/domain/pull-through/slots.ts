interface Waiting {
  readonly key: string;
  readonly begin: () => void;
}

/**
 * So many at once, and so many of one key, that one upstream which does not get on leaves some to the others. Whoever has
 * to wait goes in the order in which they came.
 */
export function createSlots({ atOnce, atOnceEach }: { readonly atOnce: number; readonly atOnceEach: number }): {
  with<Result>(key: string, work: () => Promise<Result>): Promise<Result>;
} {
  let free = atOnce;
  const taken = new Map<string, number>();
  const waiting: Waiting[] = [];

  const hasRoom = (key: string) => free > 0 && (taken.get(key) ?? 0) < atOnceEach;

  function take(key: string): void {
    free--;
    taken.set(key, (taken.get(key) ?? 0) + 1);
  }

  function release(key: string): void {
    free++;
    const left = (taken.get(key) ?? 0) - 1;
    if (left > 0) taken.set(key, left);
    else taken.delete(key);
    const at = waiting.findIndex((next) => hasRoom(next.key));
    const [next] = at < 0 ? [] : waiting.splice(at, 1);
    if (!next) return;
    take(next.key);
    next.begin();
  }

  return {
    async with(key, work) {
      if (hasRoom(key)) take(key);
      else await new Promise<void>((begin) => waiting.push({ key, begin }));
      try {
        return await work();
      } finally {
        release(key);
      }
    },
  };
}
