import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const DeleteRegistryPolicy = operation("DeleteRegistryPolicy", {
  input: {},
  needs: onRegistry("ecr:DeleteRegistryPolicy"),
  throws: ["RegistryPolicyNotFound"],
  async run(_input, granted, { policies }) {
    return { registryId: granted.registry.account, policyText: await policies.deleteRegistryPolicy(granted) };
  },
});
