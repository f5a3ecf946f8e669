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
