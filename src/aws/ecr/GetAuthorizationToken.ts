import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId } from "./shapes.ts";

export const GetAuthorizationToken = operation("GetAuthorizationToken", {
  input: { registryIds: z.array(RegistryId).min(1).max(10).optional() },
  needs: onRegistry("ecr:GetAuthorizationToken"),
  throws: [],
  async run({ registryIds }, { caller, registry }, { registryTokens, addresses }, key) {
    // The token stands for its principal, not for a registry: one fits all.
    const { password, expiresAt } = registryTokens.issue(caller.principal, key, registry.region);
    const authorizationToken = Buffer.from(`AWS:${password}`).toString("base64");
    const accounts = registryIds ?? [registry.account];
    return {
      authorizationData: accounts.map((account) => ({
        authorizationToken,
        expiresAt,
        proxyEndpoint: addresses.proxyEndpoint({ account, region: registry.region }),
      })),
    };
  },
});
