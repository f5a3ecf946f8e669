import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { configurationView } from "./replication-shapes.ts";

export const DescribeRegistry = operation("DescribeRegistry", {
  input: {},
  needs: onRegistry("ecr:DescribeRegistry"),
  throws: [],
  async run(_input, granted, { replication }) {
    const rules = await replication.rules(granted);
    return { registryId: granted.registry.account, replicationConfiguration: configurationView(rules) };
  },
});
