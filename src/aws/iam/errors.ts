import type { IdentityRefusalCode, RefusalCode } from "../../domain/errors.ts";
import type { Spelling } from "../errors.ts";

/** What IAM calls each meaning (IAM API reference, "Errors" of each operation, "Common Errors"). */
export const errors = {
  NoSuchEntity: ["NoSuchEntity", 404],
  EntityAlreadyExists: ["EntityAlreadyExists", 409],
  DeleteConflict: ["DeleteConflict", 409],
  LimitExceeded: ["LimitExceeded", 409],
  MalformedPolicy: ["MalformedPolicyDocument", 400],
  InvalidInput: ["InvalidInput", 400],
  ProtectedRole: ["UnmodifiableEntity", 400],
  PolicyNotAttachable: ["PolicyNotAttachable", 400],
  Validation: ["ValidationError", 400],
  AccessDenied: ["AccessDenied", 403],
  RateExceeded: ["Throttling", 400],
} satisfies Partial<Record<RefusalCode, Spelling>> & Record<IdentityRefusalCode, Spelling>;

export type IamCode = keyof typeof errors;
