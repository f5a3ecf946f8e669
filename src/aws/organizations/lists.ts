import type { Granted } from "../../domain/access.ts";
import type { AccountId } from "../../domain/names.ts";
import type { Paging } from "../paging.ts";

interface PageInput {
  readonly NextToken?: string;
  readonly MaxResults?: number;
}

/** What Organizations shows when nobody says how much. */
const defaultPageSize = 20;

/** A page of a list that the domain answers as a whole: none of them is long. */
export async function pageOf<Item>(
  { paging, of, input }: { paging: Paging; of: readonly unknown[]; input: PageInput },
  items: readonly Item[],
  idOf: (item: Item) => string,
) {
  const sorted = items.toSorted((one, other) => (idOf(one) < idOf(other) ? -1 : 1));
  return await paging.page({
    of,
    nextToken: input.NextToken,
    limit: input.MaxResults ?? defaultPageSize,
    read: async (after: string | undefined, limit) =>
      sorted.filter((item) => after === undefined || idOf(item) > after).slice(0, limit),
    keyOf: idOf,
  });
}

/** A page of accounts, or of what there is one of for each account. */
export async function accountPageOf<Item>(
  { paging, of, input }: { paging: Paging; of: readonly unknown[]; input: PageInput },
  read: (page: { after?: AccountId; limit: number }) => Promise<Item[]>,
  idOf: (item: Item) => AccountId,
) {
  return await paging.page({
    of,
    nextToken: input.NextToken,
    limit: input.MaxResults ?? defaultPageSize,
    read: (after: AccountId | undefined, limit) => read({ after, limit }),
    keyOf: idOf,
  });
}

/** A token is good for one list of one organization, which its management account stands for. */
export function listOf(operation: string, { caller }: Granted, ...filters: unknown[]): unknown[] {
  return [operation, caller.principal.account, ...filters];
}
