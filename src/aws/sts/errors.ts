import type { RefusalCode } from "../../domain/errors.ts";
import type { Spelling } from "../errors.ts";

/** What STS calls each meaning (STS API reference, "Common Errors"). The registry's meanings never get here. */
export const errors = {
  AccessDenied: ["AccessDenied", 403],
  Validation: ["ValidationError", 400],
  RateExceeded: ["Throttling", 400],
} satisfies Partial<Record<RefusalCode, Spelling>>;

export type StsCode = keyof typeof errors;
