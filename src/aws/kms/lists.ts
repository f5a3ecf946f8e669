import type { Granted } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { Paging } from "../paging.ts";

interface PageInput {
  readonly Limit?: number;
  readonly Marker?: string;
}

interface List<Item, Key> {
  readonly paging: Paging;
  /** A marker is good for one list of one account and region. */
  readonly of: readonly unknown[];
  readonly granted: Granted;
  readonly input: PageInput;
  /** What KMS shows when nobody says how much. */
  readonly preset: number;
  read(page: { readonly after?: Key; readonly limit: number }): Promise<readonly Item[]>;
  keyOf(item: Item): Key;
}

/** A page of a list that the database answers by pages. */
export async function pageOf<Item, Key>(list: List<Item, Key>) {
  const { paging, of, granted, input, preset, read, keyOf } = list;
  const { account, region } = granted.registry;
  const { items, nextToken } = await paging.page({
    of: [...of, account, region, granted.caller.principal.account],
    nextToken: input.Marker,
    limit: input.Limit ?? preset,
    read: (after: Key | undefined, limit) => read({ after, limit }),
    keyOf,
    invalidToken: () => refuse("InvalidMarker"),
  });
  return { items, more: { NextMarker: nextToken, Truncated: nextToken !== undefined } };
}
