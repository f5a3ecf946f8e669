import { Refusal, type RefusalCode, refuse } from "../errors.ts";

/** What KMS calls the reasons for which a key cannot be used. Its clients know them by these names, and ECR passes them on. */
const kmsErrors: Partial<Record<RefusalCode, string>> = {
  KeyNotFound: "NotFoundException",
  KeyDisabled: "DisabledException",
  KeyInvalidState: "KMSInvalidStateException",
  InvalidKeyArn: "InvalidArnException",
  LimitExceeded: "LimitExceededException",
  AccessDenied: "AccessDeniedException",
};

/** What a key refuses to whoever uses it through a service; any other failure as it is. */
export function keyUnusable(error: unknown): unknown {
  if (!(error instanceof Refusal)) return error;
  const kmsError = kmsErrors[error.code as RefusalCode];
  return kmsError ? refuse("KeyUnusable", { kmsError, reason: error.message }, { cause: error }) : error;
}
