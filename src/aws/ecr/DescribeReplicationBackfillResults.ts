import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { backfillSummary, resultView } from "./backfill-views.ts";
import { operation } from "./operation.ts";
import { BackfillId } from "./replication-shapes.ts";
import { MaxResults, NextToken, RegistryId } from "./shapes.ts";

export const DescribeReplicationBackfillResults = operation("DescribeReplicationBackfillResults", {
  input: {
    registryId: RegistryId.optional(),
    replicationBackfillId: BackfillId,
    resultStatusFilter: z.enum(["COMPLETE", "FAILED"]).optional(),
    maxResults: MaxResults,
    nextToken: NextToken,
  },
  needs: onRegistry("ecr:DescribeReplicationBackfillResults"),
  throws: ["InvalidParameter", "ReplicationBackfillNotFound"],
  async run({ replicationBackfillId: id, resultStatusFilter: status, maxResults = 100, nextToken }, granted, parts) {
    const { backfills, paging } = parts;
    const backfill = await backfills.describe(granted, id);
    const { items, ...page } = await paging.page({
      of: ["DescribeReplicationBackfillResults", granted.registry, id, status],
      nextToken,
      limit: maxResults,
      read: (after: number | undefined, limit) => backfills.results(backfill, { after, limit, status }),
      keyOf: ({ number }) => number,
    });
    return {
      registryId: granted.registry.account,
      ...backfillSummary(backfill),
      results: items.map(resultView),
      nextToken: page.nextToken,
    };
  },
});
