/** Takes from a list as long as it is, so many at once. The first failure ends it, after what has begun has ended. */
export async function forEachOf<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  parallel: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failed: { error: unknown } | undefined;
  try {
    for await (const item of items) {
      if (failed) break;
      const task: Promise<void> = work(item)
        .catch((error) => {
          failed ??= { error };
        })
        .finally(() => running.delete(task));
      running.add(task);
      if (running.size >= parallel) await Promise.race(running);
    }
  } finally {
    await Promise.all(running);
  }
  if (failed) throw failed.error;
}
