import { type AccountId, type Registry, rootArn } from "../names.ts";

/** The policy of a key that was made without one: identity policies of its account decide (KMS developer guide, "Default key policy"). */
export function defaultKeyPolicy(account: AccountId): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Id: "key-default-1",
    Statement: [
      {
        Sid: "Enable IAM User Permissions",
        Effect: "Allow",
        Principal: { AWS: rootArn(account) },
        Action: "kms:*",
        Resource: "*",
      },
    ],
  });
}

/** The policy of a key that was made for a service: its account uses it through the service, and may look at it. */
export function serviceKeyPolicy({ account, region }: Registry, service: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Id: `auto-${service}-1`,
    Statement: [
      {
        Sid: `Allow access through ${service} to all principals of the account that may use ${service}`,
        Effect: "Allow",
        Principal: { AWS: "*" },
        Action: [
          "kms:Encrypt",
          "kms:Decrypt",
          "kms:ReEncrypt*",
          "kms:GenerateDataKey*",
          "kms:CreateGrant",
          "kms:RetireGrant",
          "kms:DescribeKey",
        ],
        Resource: "*",
        Condition: {
          StringEquals: { "kms:CallerAccount": account, "kms:ViaService": `${service}.${region}.amazonaws.com` },
        },
      },
      {
        Sid: "Allow direct access to key metadata to the account",
        Effect: "Allow",
        Principal: { AWS: rootArn(account) },
        Action: ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
        Resource: "*",
      },
    ],
  });
}
