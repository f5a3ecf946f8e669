/**
 * Lets other requests have their turn. For long loops whose questions are answered at once, from memory or by a database in
 * this process: nobody else would be heard before their end.
 */
export function othersTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
