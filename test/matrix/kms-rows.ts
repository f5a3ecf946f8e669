import type { Row } from "./rows.ts";

/** KMS (service authorization reference, "Actions, resources, and condition keys for AWS Key Management Service"). */

const id = "00000000-0000-4000-8000-000000000000";
const KeyId = `arn:aws:kms:us-east-1:{account}:key/${id}`;
const alias = "arn:aws:kms:us-east-1:{account}:alias/ghost";

function kms(operation: string, input: object = {}, more: Partial<Row> = {}): Row {
  return {
    name: `kms:${operation}`,
    covers: `kms:${operation}`,
    actions: [`kms:${operation}`],
    resource: KeyId,
    crossAccount: true,
    request: { kind: "json", service: "kms", target: `TrentService.${operation}`, input: { KeyId, ...input } },
    ...more,
  };
}

/** Without a key that the request could name. */
function ofAccount(operation: string, input: object = {}, more: Partial<Row> = {}): Row {
  const request = { kind: "json", service: "kms", target: `TrentService.${operation}`, input } as const;
  return kms(operation, {}, { resource: "*", crossAccount: false, request, ...more });
}

/** On the alias; there is no key behind it that would need to allow too. */
function ofAlias(operation: string): Row {
  return ofAccount(operation, { AliasName: "alias/ghost" }, { resource: alias });
}

const ciphertext = { CiphertextBlob: "AAAA" };
const principal = "arn:aws:iam::{account}:root";
const policy = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" },
});

/** Needs the alias and the key: the row is about both at once. */
function ofAliasAndKey(operation: string): Row {
  const input = { AliasName: "alias/ghost", TargetKeyId: id };
  return ofAccount(operation, input, { resource: "arn:aws:kms:us-east-1:{account}:*", namesItsResource: false });
}

export const kmsRows: readonly Row[] = [
  kms("CancelKeyDeletion"),
  ofAliasAndKey("CreateAlias"),
  kms("CreateGrant", { GranteePrincipal: principal, Operations: ["Decrypt"] }),
  ofAccount("CreateKey"),
  kms("Decrypt", ciphertext),
  ofAlias("DeleteAlias"),
  kms("DescribeKey"),
  kms("DisableKey"),
  kms("DisableKeyRotation"),
  kms("EnableKey"),
  kms("EnableKeyRotation"),
  kms("Encrypt", { Plaintext: "AAAA" }),
  kms("GenerateDataKey", { KeySpec: "AES_256" }),
  kms("GenerateDataKeyWithoutPlaintext", { KeySpec: "AES_256" }),
  ofAccount("GenerateRandom", { NumberOfBytes: 1 }),
  kms("GetKeyPolicy"),
  kms("GetKeyRotationStatus"),
  ofAccount("ListAliases"),
  kms("ListGrants"),
  kms("ListKeyPolicies"),
  kms("ListKeyRotations"),
  ofAccount("ListKeys"),
  kms("ListResourceTags"),
  ofAccount("ListRetirableGrants", { RetiringPrincipal: principal }),
  kms("PutKeyPolicy", { Policy: policy }),
  kms(
    "ReEncrypt",
    {},
    {
      actions: ["kms:ReEncryptFrom", "kms:ReEncryptTo"],
      request: {
        kind: "json",
        service: "kms",
        target: "TrentService.ReEncrypt",
        input: { ...ciphertext, SourceKeyId: KeyId, DestinationKeyId: KeyId },
      },
    },
  ),
  kms("RetireGrant", { GrantId: "ghost" }),
  kms("RevokeGrant", { GrantId: "ghost" }),
  kms("RotateKeyOnDemand"),
  kms("ScheduleKeyDeletion"),
  kms("TagResource", { Tags: [{ TagKey: "a", TagValue: "b" }] }),
  kms("UntagResource", { TagKeys: ["a"] }),
  ofAliasAndKey("UpdateAlias"),
  kms("UpdateKeyDescription", { Description: "" }),
];
