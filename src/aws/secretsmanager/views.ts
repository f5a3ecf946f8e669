import type { DescribeSecretResponse } from "@aws-sdk/client-secrets-manager";
import type { Secret, SecretVersion } from "../../domain/secrets/ports.ts";
import { arnOfSecret } from "../../domain/secrets/secrets.ts";

export function secretName(secret: Secret) {
  return { ARN: arnOfSecret(secret), Name: secret.name };
}

/** What DescribeSecret and ListSecrets have in common. */
export function secretFacts(secret: Secret) {
  return {
    ...secretName(secret),
    Description: secret.description,
    LastChangedDate: secret.changedAt,
    DeletedDate: secret.deletionAt,
    CreatedDate: secret.createdAt,
    Tags: [...secret.tags].map(([Key, Value]) => ({ Key, Value })),
  } satisfies DescribeSecretResponse;
}

export function stagesView(versions: readonly SecretVersion[] = []): Record<string, string[]> {
  const labelled = versions.filter(({ stages }) => stages.length > 0);
  return Object.fromEntries(labelled.map(({ id, stages }) => [id, [...stages]]));
}
