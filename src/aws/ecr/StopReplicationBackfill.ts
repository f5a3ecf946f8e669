import { onRegistry } from "../operation.ts";
import { backfillView } from "./backfill-views.ts";
import { operation } from "./operation.ts";
import { BackfillId } from "./replication-shapes.ts";
import { RegistryId } from "./shapes.ts";

export const StopReplicationBackfill = operation("StopReplicationBackfill", {
  input: { registryId: RegistryId.optional(), replicationBackfillId: BackfillId },
  needs: onRegistry("ecr:StopReplicationBackfill"),
  throws: ["InvalidParameter", "ReplicationBackfillNotFound", "ReplicationBackfillInvalidStatus"],
  async run({ replicationBackfillId }, granted, { backfills }) {
    return backfillView(await backfills.stop(granted, replicationBackfillId));
  },
});
