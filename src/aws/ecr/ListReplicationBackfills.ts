import { z } from "zod";
import type { BackfillPlace } from "../../domain/replication/ports.ts";
import { onRegistry } from "../operation.ts";
import { backfillSummary } from "./backfill-views.ts";
import { operation } from "./operation.ts";
import { NextToken, RegistryId } from "./shapes.ts";

export const ListReplicationBackfills = operation("ListReplicationBackfills", {
  input: {
    registryId: RegistryId.optional(),
    maxResults: z.number().int().min(1).max(50).optional(),
    nextToken: NextToken,
  },
  needs: onRegistry("ecr:ListReplicationBackfills"),
  throws: ["InvalidParameter"],
  async run({ maxResults = 25, nextToken }, granted, { backfills, paging }) {
    const { registry } = granted;
    const { items, ...page } = await paging.page({
      of: ["ListReplicationBackfills", registry],
      nextToken,
      limit: maxResults,
      read: (after: BackfillPlace | undefined, limit) => backfills.list(granted, { after, limit }),
      keyOf: ({ id, startedAt }) => ({ id, startedAt: startedAt.getTime() }),
    });
    return { registryId: registry.account, backfills: items.map(backfillSummary), nextToken: page.nextToken };
  },
});
