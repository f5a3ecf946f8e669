import type { Row } from "./rows.ts";

/** Secrets Manager (service authorization reference, "Actions, resources, and condition keys for AWS Secrets Manager"). */

const SecretId = "arn:aws:secretsmanager:us-east-1:{account}:secret:ghost-AbCdEf";

function secret(operation: string, input: object = {}, more: Partial<Row> = {}): Row {
  return {
    name: `secretsmanager:${operation}`,
    covers: `secretsmanager:${operation}`,
    actions: [`secretsmanager:${operation}`],
    resource: SecretId,
    crossAccount: true,
    request: {
      kind: "json",
      service: "secretsmanager",
      target: `secretsmanager.${operation}`,
      input: { SecretId, ...input },
    },
    ...more,
  };
}

/** Without a secret that the request could name. */
function ofAccount(operation: string, input: object, more: Partial<Row>): Row {
  const target = `secretsmanager.${operation}`;
  const request = { kind: "json", service: "secretsmanager", target, input } as const;
  return secret(operation, {}, { crossAccount: false, request, ...more });
}

const version = "00000000-0000-4000-8000-000000000000";

export const secretsRows: readonly Row[] = [
  // Nobody knows beforehand which characters its ARN will end with.
  ofAccount(
    "CreateSecret",
    { Name: "ghost" },
    { resource: "arn:aws:secretsmanager:us-east-1:{account}:secret:ghost-??????", namesItsResource: false },
  ),
  secret("DeleteSecret"),
  secret("DescribeSecret"),
  secret("GetResourcePolicy"),
  secret("GetSecretValue"),
  secret("ListSecretVersionIds"),
  ofAccount("ListSecrets", {}, { resource: "*" }),
  secret("PutSecretValue", { SecretString: "ghost" }),
  secret("RestoreSecret"),
  secret("TagResource", { Tags: [] }),
  secret("UntagResource", { TagKeys: [] }),
  secret("UpdateSecret"),
  secret("UpdateSecretVersionStage", { VersionStage: "GHOST", MoveToVersionId: version }),
];
