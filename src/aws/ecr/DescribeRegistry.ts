import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const DescribeRegistry = operation("DescribeRegistry", {
  input: {},
  needs: onRegistry("ecr:DescribeRegistry"),
  throws: [],
  async run(_input, { registry }) {
    return { registryId: registry.account, replicationConfiguration: { rules: [] } };
  },
});
