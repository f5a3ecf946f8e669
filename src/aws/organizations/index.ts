import { refuse } from "../../domain/errors.ts";
import type { Problem } from "../input.ts";
import type { JsonService } from "../service.ts";
import { validationText } from "../validation.ts";
import { errors, membersOf } from "./errors.ts";
import type { OrganizationsParts } from "./operation.ts";

/** AWS Organizations, API version 2016-11-28. */
export function createOrganizationsApi(parts: OrganizationsParts): JsonService {
  return {
    name: "organizations",
    targetPrefix: "AWSOrganizationsV20161128",
    messageMember: "Message",
    isGlobal: true,
    operations: async () => (await import("./operations.ts")).operations,
    parts,
    errors,
    internal: ["ServiceException", 500],
    members: membersOf,
    invalidInput: (problems) => refuse("OrganizationInput", inputProblem(problems)),
  };
}

/** The first reason for which Organizations has a name of its own. */
function inputProblem(problems: readonly Problem[]): { reason: string; message: string } {
  const constraints = problems.map(({ constraint }) => constraint).join(" ");
  if (constraints.includes("must not be null")) {
    return { reason: "INPUT_REQUIRED", message: validationText(problems) };
  }
  if (constraints.includes("regular expression pattern")) {
    return {
      reason: "INVALID_PATTERN",
      message: "You provided a value that does not match the required pattern.",
    };
  }
  if (constraints.includes("enum value set")) {
    return { reason: "INVALID_ENUM", message: "You specified an invalid value." };
  }
  const reason = constraints.includes("length less than")
    ? "MAX_LENGTH_EXCEEDED"
    : constraints.includes("length greater than")
      ? "MIN_LENGTH_EXCEEDED"
      : constraints.includes("value less than")
        ? "MAX_VALUE_EXCEEDED"
        : constraints.includes("value greater than")
          ? "MIN_VALUE_EXCEEDED"
          : "INVALID_LIST_MEMBER";
  return { reason, message: validationText(problems) };
}
