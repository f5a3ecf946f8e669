import type { OrganizationRefusalCode, Refusal, RefusalCode } from "../../domain/errors.ts";
import type { Spelling, WireError } from "../errors.ts";

/** What Organizations calls each meaning (Organizations API reference, "Errors" of each operation). */
export const errors = {
  OrganizationNotInUse: ["AWSOrganizationsNotInUseException", 400],
  AlreadyInOrganization: ["AlreadyInOrganizationException", 400],
  OrganizationsDenied: ["AccessDeniedException", 400],
  OrganizationNotEmpty: ["OrganizationNotEmptyException", 400],
  OrganizationConstraint: ["ConstraintViolationException", 400],
  OrganizationInput: ["InvalidInputException", 400],
  OrganizationAccountNotFound: ["AccountNotFoundException", 400],
  CreateAccountStatusNotFound: ["CreateAccountStatusNotFoundException", 400],
  AccountAlreadyClosed: ["AccountAlreadyClosedException", 400],
  MasterCannotLeave: ["MasterCannotLeaveOrganizationException", 400],
  ParentNotFound: ["ParentNotFoundException", 400],
  ChildNotFound: ["ChildNotFoundException", 400],
  SourceParentNotFound: ["SourceParentNotFoundException", 400],
  DestinationParentNotFound: ["DestinationParentNotFoundException", 400],
  DuplicateAccount: ["DuplicateAccountException", 400],
  RootNotFound: ["RootNotFoundException", 400],
  TargetNotFound: ["TargetNotFoundException", 400],
  UnitNotFound: ["OrganizationalUnitNotFoundException", 400],
  UnitNotEmpty: ["OrganizationalUnitNotEmptyException", 400],
  DuplicateUnit: ["DuplicateOrganizationalUnitException", 400],
  OrganizationPolicyNotFound: ["PolicyNotFoundException", 400],
  DuplicateOrganizationPolicy: ["DuplicatePolicyException", 400],
  PolicyInUse: ["PolicyInUseException", 400],
  DuplicatePolicyAttachment: ["DuplicatePolicyAttachmentException", 400],
  PolicyNotAttached: ["PolicyNotAttachedException", 400],
  PolicyTypeNotEnabled: ["PolicyTypeNotEnabledException", 400],
  PolicyTypeAlreadyEnabled: ["PolicyTypeAlreadyEnabledException", 400],
  PolicyTypeNotAvailable: ["PolicyTypeNotAvailableForOrganizationException", 400],
  MalformedPolicy: ["MalformedPolicyDocumentException", 400],
  // What a page token that is not ours is called by everybody's paging.
  InvalidParameter: ["InvalidInputException", 400],
  AccessDenied: ["AccessDeniedException", 400],
  RateExceeded: ["TooManyRequestsException", 400],
} satisfies Partial<Record<RefusalCode, Spelling>> & Record<OrganizationRefusalCode, Spelling>;

export type OrganizationsCode = keyof typeof errors;

/** Inputs and limits come with a reason that programs read. */
export function membersOf(refusal: Refusal): WireError["members"] {
  if (refusal.is("OrganizationConstraint") || refusal.is("OrganizationInput")) return { Reason: refusal.facts.reason };
  return refusal.is("InvalidParameter") ? { Reason: "INVALID_NEXT_TOKEN" } : undefined;
}
