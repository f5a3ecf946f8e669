import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const PutRegistryPolicy = operation("PutRegistryPolicy", {
  input: { policyText: z.string().max(10_240) },
  needs: onRegistry("ecr:PutRegistryPolicy"),
  throws: ["InvalidParameter", "Validation"],
  async run({ policyText }, granted, { policies }) {
    await policies.putRegistryPolicy(granted, policyText);
    return { registryId: granted.registry.account, policyText };
  },
});
