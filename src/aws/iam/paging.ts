import { refuse } from "../../domain/errors.ts";
import type { AccountId } from "../../domain/names.ts";
import type { Paging } from "../paging.ts";

/** A request for one page of an IAM list. */
export interface ListRequest<Item> {
  /** The list and every member that filters it. A marker is only good for the list that it was made for. */
  readonly of: readonly [operation: string, account: AccountId, ...filters: unknown[]];
  readonly input: { readonly Marker?: string; readonly MaxItems?: number };
  readonly read: (page: { after?: string; limit: number }) => Promise<readonly Item[]>;
  readonly keyOf: (item: Item) => string;
}

/** IAM's lists give a hundred at a time unless they are asked for another number. */
const defaultItems = 100;

export interface Listed<Item> {
  readonly items: readonly Item[];
  /** What goes into the answer beside the items. */
  readonly rest: { readonly IsTruncated: boolean; readonly Marker?: string };
}

/** @throws Validation for a marker that is not this list's */
export async function listPage<Item>(
  paging: Paging,
  { of, input: { Marker, MaxItems = defaultItems }, read, keyOf }: ListRequest<Item>,
): Promise<Listed<Item>> {
  const { items, nextToken } = await paging.page<Item, string>({
    of,
    nextToken: Marker,
    limit: MaxItems,
    read: (after, limit) => read({ after, limit }),
    keyOf,
    invalidToken: () => refuse("Validation", { reason: "Invalid Marker." }),
  });
  return { items, rest: { IsTruncated: nextToken !== undefined, Marker: nextToken } };
}

/** Pages of what is at hand as a whole, because it is short; in the order of the keys. */
export async function listOf<Item>(
  paging: Paging,
  { items, of, input, keyOf }: Omit<ListRequest<Item>, "read"> & { readonly items: readonly Item[] },
): Promise<Listed<Item>> {
  const inOrder = [...items].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const read: ListRequest<Item>["read"] = async ({ after, limit }) => {
    return inOrder.filter((item) => after === undefined || keyOf(item) > after).slice(0, limit);
  };
  return listPage(paging, { of, input, read, keyOf });
}
