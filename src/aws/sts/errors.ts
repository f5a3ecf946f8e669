import type { RefusalCode, SessionRefusalCode } from "../../domain/errors.ts";
import type { Spelling } from "../errors.ts";

/** What STS calls each meaning (STS API reference, "Common Errors"). The registry's meanings never get here. */
export const errors = {
  AccessDenied: ["AccessDenied", 403],
  MalformedPolicy: ["MalformedPolicyDocument", 400],
  InvalidInput: ["InvalidParameterValue", 400],
  PackedPolicyTooLarge: ["PackedPolicyTooLarge", 400],
  InvalidAuthorizationMessage: ["InvalidAuthorizationMessageException", 400],
  WebIdentityExpired: ["ExpiredTokenException", 400],
  WebIdentityInvalid: ["InvalidIdentityToken", 400],
  WebIdentityRejected: ["IDPRejectedClaim", 403],
  IssuerUnreachable: ["IDPCommunicationError", 400],
  Validation: ["ValidationError", 400],
  RateExceeded: ["Throttling", 400],
} satisfies Partial<Record<RefusalCode, Spelling>> & Record<SessionRefusalCode, Spelling>;

export type StsCode = keyof typeof errors;
