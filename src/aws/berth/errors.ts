import type { RefusalCode } from "../../domain/errors.ts";
import type { Spelling } from "../errors.ts";

/** What our own API calls each meaning: as AWS's newer services do. */
export const errors = {
  AccessDenied: ["AccessDeniedException", 400],
  RepositoryNotFound: ["RepositoryNotFoundException", 400],
  ImageNotFound: ["ImageNotFoundException", 400],
  RepositoryAlreadyExists: ["RepositoryAlreadyExistsException", 400],
  ReferencedImagesNotFound: ["ReferencedImagesNotFoundException", 400],
  KeyUnusable: ["KmsException", 400],
  PullThroughRuleNotFound: ["ResourceNotFoundException", 400],
  NotDeleted: ["ResourceNotFoundException", 400],
  RetentionNotFound: ["ResourceNotFoundException", 400],
  LifecyclePolicyNotFound: ["LifecyclePolicyNotFoundException", 400],
  HoldNotFound: ["ResourceNotFoundException", 400],
  LimitExceeded: ["LimitExceededException", 400],
  InvalidParameter: ["InvalidParameterException", 400],
  NoSuchEntity: ["ResourceNotFoundException", 400],
  Validation: ["ValidationException", 400],
  RateExceeded: ["ThrottlingException", 400],
} satisfies Partial<Record<RefusalCode, Spelling>>;

export type BerthCode = keyof typeof errors;
