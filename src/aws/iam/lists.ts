import type { Granted } from "../../domain/access.ts";
import type { Paging } from "../paging.ts";

/** A request for one page, in the terms of the domain. */
export interface ListRequest<Item, Key> {
  readonly granted: Granted;
  /** What the marker is good for: the operation and every member that filters. */
  readonly of: readonly unknown[];
  readonly input: { readonly Marker?: string; readonly MaxItems?: number };
  readonly read: (page: { readonly after?: Key; readonly limit: number }) => Promise<readonly Item[]>;
  readonly keyOf: (item: Item) => Key;
}

const defaultItems = 100;

/** A page as IAM's lists give it. */
export async function listPage<Item, Key>(
  paging: Paging,
  { granted, of, input: { Marker, MaxItems = defaultItems }, read, keyOf }: ListRequest<Item, Key>,
) {
  const { items, nextToken } = await paging.page<Item, Key>({
    of: ["iam", granted.registry.account, ...of],
    nextToken: Marker,
    limit: MaxItems,
    read: (after, limit) => read({ after, limit }),
    keyOf,
  });
  return { items, IsTruncated: nextToken !== undefined, Marker: nextToken };
}

/** The same for a list that is known as a whole, and is short. */
export function pageOf<Item>(
  paging: Paging,
  all: readonly Item[],
  request: Omit<ListRequest<Item, number>, "read" | "keyOf">,
) {
  const positions = new Map(all.map((item, index) => [item, index]));
  return listPage<Item, number>(paging, {
    ...request,
    read: async ({ after = -1, limit }) => all.slice(after + 1, after + 1 + limit),
    keyOf: (item) => positions.get(item) ?? 0,
  });
}
