import type { KeyRefusalCode, RefusalCode } from "../../domain/errors.ts";
import type { Spelling } from "../errors.ts";

/** What KMS calls each meaning (KMS API reference, "Errors" of each operation). */
export const errors = {
  KeyNotFound: ["NotFoundException", 400],
  KeyDisabled: ["DisabledException", 400],
  KeyInvalidState: ["KMSInvalidStateException", 400],
  KeyAliasExists: ["AlreadyExistsException", 400],
  KeyAliasReserved: ["NotAuthorizedException", 400],
  InvalidCiphertext: ["InvalidCiphertextException", 400],
  InvalidKeyAlias: ["InvalidAliasNameException", 400],
  IncorrectKey: ["IncorrectKeyException", 400],
  InvalidKeyArn: ["InvalidArnException", 400],
  InvalidGrant: ["InvalidGrantIdException", 400],
  InvalidGrantToken: ["InvalidGrantTokenException", 400],
  InvalidMarker: ["InvalidMarkerException", 400],
  InvalidKeyTag: ["TagException", 400],
  UnsupportedKey: ["UnsupportedOperationException", 400],
  KeyDryRun: ["DryRunOperationException", 412],
  MalformedPolicy: ["MalformedPolicyDocumentException", 400],
  LimitExceeded: ["LimitExceededException", 400],
  Validation: ["ValidationException", 400],
  RateExceeded: ["ThrottlingException", 400],
  StorageFull: ["KMSInternalException", 500],
  AccessDenied: ["AccessDeniedException", 400],
} satisfies Partial<Record<RefusalCode, Spelling>> & Record<KeyRefusalCode, Spelling>;

export type KmsCode = keyof typeof errors;
