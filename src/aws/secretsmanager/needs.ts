import type { Facts, Need } from "../../domain/access.ts";
import type { Registry } from "../../domain/names.ts";
import { accountOfSecret } from "../../domain/secrets/secret-names.ts";
import type { SecretsManagerParts } from "./operation.ts";

/** What operations need, and what policies may ask about (service authorization reference, "AWS Secrets Manager"). */

export interface SecretInput {
  readonly SecretId: string;
}

/** The account of the secret that the input names. */
export const ofSecret = ({ SecretId }: { SecretId?: string }) => accountOfSecret(SecretId);

/** On the secret that the input names. */
export function onSecret<Input extends SecretInput>(
  action: `secretsmanager:${string}`,
  factsOf: (input: Input) => Facts = () => ({}),
) {
  return async (
    input: Input,
    registry: Registry,
    { parts }: { readonly parts: Pick<SecretsManagerParts, "secrets"> },
  ): Promise<Need[]> => {
    const resource = await parts.secrets.arnOf(registry, input.SecretId);
    return [{ action, resource, facts: { "secretsmanager:secretid": resource, ...factsOf(input) } }];
  };
}
