import { type Refusal, refuse } from "../domain/errors.ts";
import type { Sealer } from "../domain/identity/sealer.ts";

/** A request for one page, in the terms of the domain. */
export interface PageRequest<Item, Key> {
  /** What a token is good for: operation, registry and every member that filters. */
  readonly of: readonly unknown[];
  readonly nextToken: string | undefined;
  readonly limit: number;
  readonly read: (after: Key | undefined, limit: number) => Promise<readonly Item[]>;
  readonly keyOf: (item: Item) => Key;
  /** What a service says of a token that is not ours, or another list's. Left out: InvalidParameter. */
  readonly invalidToken?: () => Refusal;
}

/** Pages with opaque tokens: a token holds the last key, and only the list it was made for takes it back. */
export interface Paging {
  /** @throws InvalidParameter, or what the request says, for a token that is not ours, or another list's */
  page<Item, Key>(request: PageRequest<Item, Key>): Promise<{ items: readonly Item[]; nextToken?: string }>;
}

const purpose = "page";

export function createPaging(sealer: Sealer): Paging {
  function open(token: string, list: string, invalid: () => Refusal): unknown {
    const opened = sealer.open(purpose, token) as { list: string; after: unknown } | undefined;
    if (opened?.list === list) return opened.after;
    throw invalid();
  }
  return {
    async page<Item, Key>(request: PageRequest<Item, Key>) {
      const { of, nextToken, limit, read, keyOf, invalidToken = invalidNextToken } = request;
      const list = JSON.stringify(of);
      const after = nextToken === undefined ? undefined : (open(nextToken, list, invalidToken) as Key);
      const found = await read(after, limit + 1); // one more tells whether there is a next page
      const items = found.slice(0, limit);
      const last = items.at(-1);
      if (found.length <= limit || last === undefined) return { items };
      return { items, nextToken: sealer.seal(purpose, { list, after: keyOf(last) }) };
    },
  };
}

function invalidNextToken(): Refusal {
  return refuse("InvalidParameter", { member: "NextToken", constraint: "Invalid next token provided" });
}
