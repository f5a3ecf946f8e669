import type { RefusalCode, SecretRefusalCode } from "../../domain/errors.ts";
import type { Spelling } from "../errors.ts";

/** What Secrets Manager calls each meaning (Secrets Manager API reference, "Errors" of each operation). */
export const errors = {
  SecretNotFound: ["ResourceNotFoundException", 400],
  SecretVersionNotFound: ["ResourceNotFoundException", 400],
  SecretExists: ["ResourceExistsException", 400],
  InvalidSecretRequest: ["InvalidRequestException", 400],
  InvalidSecretParameter: ["InvalidParameterException", 400],
  InvalidSecretToken: ["InvalidNextTokenException", 400],
  SecretUnreadable: ["DecryptionFailure", 400],
  LimitExceeded: ["LimitExceededException", 400],
  RateExceeded: ["ThrottlingException", 400],
  StorageFull: ["InternalServiceError", 500],
  AccessDenied: ["AccessDeniedException", 400],
} satisfies Partial<Record<RefusalCode, Spelling>> & Record<SecretRefusalCode, Spelling>;

export type SecretsManagerCode = keyof typeof errors;
