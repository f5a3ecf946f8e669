import { operationMap } from "../service.ts";
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
