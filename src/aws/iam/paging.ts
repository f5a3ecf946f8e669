import { refuse } from "../../domain/errors.ts";
import type { AccountId } from "../../domain/names.ts";
import type { Paging } from "../paging.ts";

/** A request for one page of an IAM list. */
export interface ListRequest<Item, Key> {
  /** The list and every member that filters it. A marker is only good for the list that it was made for. */
  readonly of: readonly [operation: string, account: AccountId, ...filters: unknown[]];
  readonly input: { readonly Marker?: string; readonly MaxItems?: number };
  readonly read: (page: { after?: Key; limit: number }) => Promise<readonly Item[]>;
  readonly keyOf: (item: Item) => Key;
}

/** IAM's lists give a hundred at a time unless they are asked for another number. */
const defaultItems = 100;

export interface Listed<Item> {
  readonly items: readonly Item[];
  /** What goes into the answer beside the items. */
  readonly rest: { readonly IsTruncated: boolean; readonly Marker?: string };
}

/** @throws Validation for a marker that is not this list's */
export async function listPage<Item, Key>(
  paging: Paging,
  { of, input: { Marker, MaxItems = defaultItems }, read, keyOf }: ListRequest<Item, Key>,
): Promise<Listed<Item>> {
  const { items, nextToken } = await paging.page<Item, Key>({
    of,
    nextToken: Marker,
    limit: MaxItems,
    read: (after, limit) => read({ after, limit }),
    keyOf,
    invalidToken: () => refuse("Validation", { reason: "Invalid Marker." }),
  });
  return { items, rest: { IsTruncated: nextToken !== undefined, Marker: nextToken } };
}

/** Pages of what is at hand as a whole, because it is short. Items are in the order of their keys. */
export function inPages<Item>(items: readonly Item[], keyOf: (item: Item) => string) {
  return async ({ after, limit }: { after?: string; limit: number }): Promise<readonly Item[]> => {
    const start = after === undefined ? 0 : items.findIndex((item) => keyOf(item) > after);
    return start < 0 ? [] : items.slice(start, start + limit);
  };
}
