import type { PoliciesOfResource, ResourcePolicies } from "../access.ts";
import type { SecretService } from "./secrets.ts";

/** What secrets have to say about requests: their tags. No secret has a policy, so nobody of another account reaches one. */
export function createSecretResources(secrets: Pick<SecretService, "find">): ResourcePolicies {
  return {
    async of(_registry, { resource }): Promise<PoliciesOfResource> {
      const secret = resource === "*" ? undefined : await secrets.find(resource);
      const facts: Record<string, string> = {};
      for (const [key, value] of secret?.tags ?? []) {
        facts[`aws:resourcetag/${key.toLowerCase()}`] = value;
        facts[`secretsmanager:resourcetag/${key.toLowerCase()}`] = value;
      }
      return { resource: [], facts };
    },
  };
}
