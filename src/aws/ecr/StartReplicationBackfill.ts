import { onRegistry } from "../operation.ts";
import { backfillView } from "./backfill-views.ts";
import { operation } from "./operation.ts";
import { ReplicationDestination, toDestination } from "./replication-shapes.ts";
import { RegistryId } from "./shapes.ts";

export const StartReplicationBackfill = operation("StartReplicationBackfill", {
  input: { registryId: RegistryId.optional(), destination: ReplicationDestination },
  needs: onRegistry("ecr:StartReplicationBackfill"),
  throws: ["InvalidParameter", "LimitExceeded", "ReplicationBackfillInProgress"],
  async run({ destination }, granted, { backfills }) {
    return backfillView(await backfills.start(granted, toDestination(destination)));
  },
});
