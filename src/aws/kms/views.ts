import type { GrantListEntry, KeyMetadata, RotationsListEntry } from "@aws-sdk/client-kms";
import type { Grant, Key, KeyMaterial } from "../../domain/keys/ports.ts";
import { materialId } from "../../domain/keys/rotation.ts";
import { keyArn } from "../../domain/names.ts";

export function arnOf({ registry, id }: Pick<Key, "registry" | "id">): string {
  return keyArn(registry, id);
}

/** The only algorithm of our keys. */
export const symmetric = "SYMMETRIC_DEFAULT" as const;

export function keyView(key: Key): KeyMetadata {
  return {
    AWSAccountId: key.registry.account,
    KeyId: key.id,
    Arn: arnOf(key),
    CreationDate: key.createdAt,
    Enabled: key.state === "Enabled",
    Description: key.description,
    KeyUsage: "ENCRYPT_DECRYPT",
    KeyState: key.state,
    DeletionDate: key.deletionAt,
    Origin: "AWS_KMS",
    KeyManager: key.manager === "AWS" ? "AWS" : "CUSTOMER",
    CustomerMasterKeySpec: "SYMMETRIC_DEFAULT",
    KeySpec: "SYMMETRIC_DEFAULT",
    EncryptionAlgorithms: ["SYMMETRIC_DEFAULT"],
    MultiRegion: false,
    CurrentKeyMaterialId: materialId(key, key.version),
  };
}

export function grantView(keyId: string, grant: Grant): GrantListEntry {
  const { id, name, createdAt, grantee, retiring, issuer, operations, constraint } = grant;
  const context = constraint && Object.fromEntries(constraint.context);
  return {
    KeyId: keyId,
    GrantId: id,
    Name: name ?? "",
    CreationDate: createdAt,
    GranteePrincipal: grantee.name,
    RetiringPrincipal: retiring?.name,
    IssuingAccount: `arn:aws:iam::${issuer}:root`,
    Operations: [...operations],
    Constraints:
      constraint &&
      (constraint.kind === "equals" ? { EncryptionContextEquals: context } : { EncryptionContextSubset: context }),
  };
}

export function rotationView(key: Key, { version, createdAt, rotation }: KeyMaterial): RotationsListEntry {
  return {
    KeyId: key.id,
    KeyMaterialId: materialId(key, version),
    KeyMaterialState: version === key.version ? "CURRENT" : "NON_CURRENT",
    RotationDate: createdAt,
    RotationType: rotation ?? "AUTOMATIC",
  };
}
