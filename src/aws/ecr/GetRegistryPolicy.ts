import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const GetRegistryPolicy = operation("GetRegistryPolicy", {
  input: {},
  needs: onRegistry("ecr:GetRegistryPolicy"),
  throws: ["RegistryPolicyNotFound"],
  async run(_input, granted, { policies }) {
    return { registryId: granted.registry.account, policyText: await policies.registryPolicy(granted) };
  },
});
