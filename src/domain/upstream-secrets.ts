import { Refusal, refuse } from "./errors.ts";
import type { Registry } from "./names.ts";
import type { UpstreamSecrets } from "./pull-through/upstream-secrets.ts";
import { parseReference } from "./secrets/secret-names.ts";
import type { SecretService } from "./secrets/secrets.ts";

/** What ECR's service role may read (managed policy AWSECRPullThroughCache_ServiceRolePolicy). */
const readable = "ecr-pullthroughcache/";

/** Credentials of upstreams, from the secrets of the account that the rule is of. */
export function createUpstreamSecrets(secrets: Pick<SecretService, "readOwn">): UpstreamSecrets {
  return {
    async read(registry, arn) {
      if (!isOwn(registry, arn)) {
        throw refuse("SecretInaccessible", { arn, reason: "it must be in the account and region of the rule" });
      }
      try {
        const { value } = await secrets.readOwn(arn);
        return new TextDecoder().decode(value.bytes);
      } catch (error) {
        throw error instanceof Refusal ? told(error, arn) : error;
      }
    },
  };
}

function isOwn({ account, region }: Registry, arn: string): boolean {
  const reference = parseReference(arn, { account, region });
  if (!arn.startsWith("arn:") || !reference?.named.startsWith(readable)) return false;
  return reference.registry.account === account && reference.registry.region === region;
}

function told(error: Refusal, arn: string): Refusal {
  if (error.is("SecretNotFound")) return refuse("UpstreamSecretNotFound", { arn });
  if (error.is("SecretUnreadable")) return refuse("SecretUndecryptable", { arn }, { cause: error });
  const reason = error.is("SecretVersionNotFound") ? "it has no value" : error.message;
  return refuse("SecretInaccessible", { arn, reason });
}
