import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { configurationView, ReplicationRules, toRules } from "./replication-shapes.ts";

export const PutReplicationConfiguration = operation("PutReplicationConfiguration", {
  input: { replicationConfiguration: z.object({ rules: ReplicationRules }) },
  needs: onRegistry("ecr:PutReplicationConfiguration"),
  throws: ["InvalidParameter", "Validation"],
  async run({ replicationConfiguration }, granted, { replication }) {
    const rules = toRules(replicationConfiguration.rules);
    await replication.setRules(granted, rules);
    return { replicationConfiguration: configurationView(rules) };
  },
});
