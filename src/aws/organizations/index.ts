import { refuse } from "../../domain/errors.ts";
import type { Problem } from "../input.ts";
import { type JsonService, operationMap } from "../service.ts";
import { validationText } from "../validation.ts";
import { AttachPolicy } from "./AttachPolicy.ts";
import { CloseAccount } from "./CloseAccount.ts";
import { CreateAccount } from "./CreateAccount.ts";
import { CreateOrganization } from "./CreateOrganization.ts";
import { CreateOrganizationalUnit } from "./CreateOrganizationalUnit.ts";
import { CreatePolicy } from "./CreatePolicy.ts";
import { DeleteOrganization } from "./DeleteOrganization.ts";
import { DeleteOrganizationalUnit } from "./DeleteOrganizationalUnit.ts";
import { DeletePolicy } from "./DeletePolicy.ts";
import { DescribeAccount } from "./DescribeAccount.ts";
import { DescribeCreateAccountStatus } from "./DescribeCreateAccountStatus.ts";
import { DescribeOrganization } from "./DescribeOrganization.ts";
import { DescribeOrganizationalUnit } from "./DescribeOrganizationalUnit.ts";
import { DescribePolicy } from "./DescribePolicy.ts";
import { DetachPolicy } from "./DetachPolicy.ts";
import { DisablePolicyType } from "./DisablePolicyType.ts";
import { EnablePolicyType } from "./EnablePolicyType.ts";
import { errors, membersOf } from "./errors.ts";
import { ListAccounts } from "./ListAccounts.ts";
import { ListAccountsForParent } from "./ListAccountsForParent.ts";
import { ListAWSServiceAccessForOrganization } from "./ListAWSServiceAccessForOrganization.ts";
import { ListChildren } from "./ListChildren.ts";
import { ListCreateAccountStatus } from "./ListCreateAccountStatus.ts";
import { ListDelegatedAdministrators } from "./ListDelegatedAdministrators.ts";
import { ListOrganizationalUnitsForParent } from "./ListOrganizationalUnitsForParent.ts";
import { ListParents } from "./ListParents.ts";
import { ListPolicies } from "./ListPolicies.ts";
import { ListPoliciesForTarget } from "./ListPoliciesForTarget.ts";
import { ListRoots } from "./ListRoots.ts";
import { ListTagsForResource } from "./ListTagsForResource.ts";
import { ListTargetsForPolicy } from "./ListTargetsForPolicy.ts";
import { MoveAccount } from "./MoveAccount.ts";
import type { OrganizationsParts } from "./operation.ts";
import { RemoveAccountFromOrganization } from "./RemoveAccountFromOrganization.ts";
import { UpdateOrganizationalUnit } from "./UpdateOrganizationalUnit.ts";
import { UpdatePolicy } from "./UpdatePolicy.ts";

/** AWS Organizations, API version 2016-11-28. */
export function createOrganizationsApi(parts: OrganizationsParts): JsonService {
  return {
    name: "organizations",
    targetPrefix: "AWSOrganizationsV20161128",
    messageMember: "Message",
    isGlobal: true,
    operations,
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

export const operations = operationMap<OrganizationsParts>([
  AttachPolicy,
  CloseAccount,
  CreateAccount,
  CreateOrganization,
  CreateOrganizationalUnit,
  CreatePolicy,
  DeleteOrganization,
  DeleteOrganizationalUnit,
  DeletePolicy,
  DescribeAccount,
  DescribeCreateAccountStatus,
  DescribeOrganization,
  DescribeOrganizationalUnit,
  DescribePolicy,
  DetachPolicy,
  DisablePolicyType,
  EnablePolicyType,
  ListAWSServiceAccessForOrganization,
  ListDelegatedAdministrators,
  ListAccounts,
  ListAccountsForParent,
  ListChildren,
  ListCreateAccountStatus,
  ListOrganizationalUnitsForParent,
  ListParents,
  ListPolicies,
  ListPoliciesForTarget,
  ListRoots,
  ListTagsForResource,
  ListTargetsForPolicy,
  MoveAccount,
  RemoveAccountFromOrganization,
  UpdateOrganizationalUnit,
  UpdatePolicy,
]);
