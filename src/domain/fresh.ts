/** How long an answer may be used without asking again: a revocation is seen within a second by every process. */
const freshMs = 500;

/** Answers that are asked for with every request and change seldom. */
export interface Fresh<Value> {
  get(key: string): Promise<Value>;
  /** What was changed in this process is seen by its next request. Without a key, all is forgotten. */
  forget(key?: string): void;
}

export interface FreshParts<Value> {
  /** A failure is not remembered. */
  read(key: string): Promise<Value>;
  /** Beyond so many of half a second, whoever was not asked for longest is forgotten. */
  readonly maxEntries: number;
  /** Whether an answer may be kept at all. Left out: every one. */
  readonly keeps?: (value: Value) => boolean;
}

/**
 * A cache whose entries live half a second from the moment at which they were asked for. Requests for the same key share
 * one question. When the question fails so do they: nothing is decided by an answer that is too old.
 */
export function createFresh<Value>({ read, maxEntries, keeps = () => true }: FreshParts<Value>): Fresh<Value> {
  /** In the order in which they were asked for. */
  const entries = new Map<string, { readonly askedAt: number; readonly answer: Promise<Value> }>();

  function ask(key: string): Promise<Value> {
    const entry = { askedAt: performance.now(), answer: read(key) };
    const drop = () => {
      if (entries.get(key) === entry) entries.delete(key);
    };
    entry.answer.then((value) => {
      if (!keeps(value)) drop();
    }, drop);
    entries.delete(key);
    for (const [other, { askedAt }] of entries) {
      if (entry.askedAt - askedAt < freshMs) break;
      entries.delete(other);
    }
    entries.set(key, entry);
    if (entries.size > maxEntries) entries.delete(entries.keys().next().value ?? "");
    return entry.answer;
  }

  return {
    get(key) {
      const known = entries.get(key);
      return known && performance.now() - known.askedAt < freshMs ? known.answer : ask(key);
    },
    forget(key) {
      if (key === undefined) entries.clear();
      else entries.delete(key);
    },
  };
}
