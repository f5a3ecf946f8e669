import type { AuditRefusalCode, RefusalCode } from "../../domain/errors.ts";
import type { Spelling } from "../errors.ts";

/** What CloudTrail calls each meaning (CloudTrail API reference, "Errors" of LookupEvents, "Common Errors"). */
export const errors = {
  InvalidLookupAttribute: ["InvalidLookupAttributesException", 400],
  InvalidMaxResults: ["InvalidMaxResultsException", 400],
  InvalidNextToken: ["InvalidNextTokenException", 400],
  InvalidTimeRange: ["InvalidTimeRangeException", 400],
  InvalidEventCategory: ["InvalidEventCategoryException", 400],
  Validation: ["ValidationException", 400],
  AccessDenied: ["AccessDeniedException", 400],
  RateExceeded: ["ThrottlingException", 400],
} satisfies Partial<Record<RefusalCode, Spelling>> & Record<AuditRefusalCode, Spelling>;

export type CloudTrailCode = keyof typeof errors;
