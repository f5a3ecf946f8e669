import { operationMap } from "../service.ts";
import { AddClientIDToOpenIDConnectProvider } from "./AddClientIDToOpenIDConnectProvider.ts";
import { AddUserToGroup } from "./AddUserToGroup.ts";
import { AttachGroupPolicy } from "./AttachGroupPolicy.ts";
import { AttachRolePolicy } from "./AttachRolePolicy.ts";
import { AttachUserPolicy } from "./AttachUserPolicy.ts";
import { CreateAccessKey } from "./CreateAccessKey.ts";
import { CreateAccountAlias } from "./CreateAccountAlias.ts";
import { CreateGroup } from "./CreateGroup.ts";
import { CreateOpenIDConnectProvider } from "./CreateOpenIDConnectProvider.ts";
import { CreatePolicy } from "./CreatePolicy.ts";
import { CreatePolicyVersion } from "./CreatePolicyVersion.ts";
import { CreateRole } from "./CreateRole.ts";
import { CreateServiceLinkedRole } from "./CreateServiceLinkedRole.ts";
import { CreateUser } from "./CreateUser.ts";
import { DeleteAccessKey } from "./DeleteAccessKey.ts";
import { DeleteAccountAlias } from "./DeleteAccountAlias.ts";
import { DeleteGroup } from "./DeleteGroup.ts";
import { DeleteGroupPolicy } from "./DeleteGroupPolicy.ts";
import { DeleteLoginProfile } from "./DeleteLoginProfile.ts";
import { DeleteOpenIDConnectProvider } from "./DeleteOpenIDConnectProvider.ts";
import { DeletePolicy } from "./DeletePolicy.ts";
import { DeletePolicyVersion } from "./DeletePolicyVersion.ts";
import { DeleteRole } from "./DeleteRole.ts";
import { DeleteRolePermissionsBoundary } from "./DeleteRolePermissionsBoundary.ts";
import { DeleteRolePolicy } from "./DeleteRolePolicy.ts";
import { DeleteServiceLinkedRole } from "./DeleteServiceLinkedRole.ts";
import { DeleteUser } from "./DeleteUser.ts";
import { DeleteUserPermissionsBoundary } from "./DeleteUserPermissionsBoundary.ts";
import { DeleteUserPolicy } from "./DeleteUserPolicy.ts";
import { DetachGroupPolicy } from "./DetachGroupPolicy.ts";
import { DetachRolePolicy } from "./DetachRolePolicy.ts";
import { DetachUserPolicy } from "./DetachUserPolicy.ts";
import { GetAccessKeyLastUsed } from "./GetAccessKeyLastUsed.ts";
import { GetAccountSummary } from "./GetAccountSummary.ts";
import { GetContextKeysForCustomPolicy } from "./GetContextKeysForCustomPolicy.ts";
import { GetContextKeysForPrincipalPolicy } from "./GetContextKeysForPrincipalPolicy.ts";
import { GetGroup } from "./GetGroup.ts";
import { GetGroupPolicy } from "./GetGroupPolicy.ts";
import { GetLoginProfile } from "./GetLoginProfile.ts";
import { GetOpenIDConnectProvider } from "./GetOpenIDConnectProvider.ts";
import { GetPolicy } from "./GetPolicy.ts";
import { GetPolicyVersion } from "./GetPolicyVersion.ts";
import { GetRole } from "./GetRole.ts";
import { GetRolePolicy } from "./GetRolePolicy.ts";
import { GetServiceLinkedRoleDeletionStatus } from "./GetServiceLinkedRoleDeletionStatus.ts";
import { GetUser } from "./GetUser.ts";
import { GetUserPolicy } from "./GetUserPolicy.ts";
import { ListAccessKeys } from "./ListAccessKeys.ts";
import { ListAccountAliases } from "./ListAccountAliases.ts";
import { ListAttachedGroupPolicies } from "./ListAttachedGroupPolicies.ts";
import { ListAttachedRolePolicies } from "./ListAttachedRolePolicies.ts";
import { ListAttachedUserPolicies } from "./ListAttachedUserPolicies.ts";
import { ListEntitiesForPolicy } from "./ListEntitiesForPolicy.ts";
import { ListGroupPolicies } from "./ListGroupPolicies.ts";
import { ListGroups } from "./ListGroups.ts";
import { ListGroupsForUser } from "./ListGroupsForUser.ts";
import { ListInstanceProfilesForRole } from "./ListInstanceProfilesForRole.ts";
import { ListMFADevices } from "./ListMFADevices.ts";
import { ListOpenIDConnectProviders } from "./ListOpenIDConnectProviders.ts";
import { ListOpenIDConnectProviderTags } from "./ListOpenIDConnectProviderTags.ts";
import { ListPolicies } from "./ListPolicies.ts";
import { ListPolicyTags } from "./ListPolicyTags.ts";
import { ListPolicyVersions } from "./ListPolicyVersions.ts";
import { ListRolePolicies } from "./ListRolePolicies.ts";
import { ListRoles } from "./ListRoles.ts";
import { ListRoleTags } from "./ListRoleTags.ts";
import { ListServiceSpecificCredentials } from "./ListServiceSpecificCredentials.ts";
import { ListSigningCertificates } from "./ListSigningCertificates.ts";
import { ListSSHPublicKeys } from "./ListSSHPublicKeys.ts";
import { ListUserPolicies } from "./ListUserPolicies.ts";
import { ListUsers } from "./ListUsers.ts";
import { ListUserTags } from "./ListUserTags.ts";
import { ListVirtualMFADevices } from "./ListVirtualMFADevices.ts";
import type { IamParts } from "./operation.ts";
import { PutGroupPolicy } from "./PutGroupPolicy.ts";
import { PutRolePermissionsBoundary } from "./PutRolePermissionsBoundary.ts";
import { PutRolePolicy } from "./PutRolePolicy.ts";
import { PutUserPermissionsBoundary } from "./PutUserPermissionsBoundary.ts";
import { PutUserPolicy } from "./PutUserPolicy.ts";
import { RemoveClientIDFromOpenIDConnectProvider } from "./RemoveClientIDFromOpenIDConnectProvider.ts";
import { RemoveUserFromGroup } from "./RemoveUserFromGroup.ts";
import { SetDefaultPolicyVersion } from "./SetDefaultPolicyVersion.ts";
import { SimulateCustomPolicy } from "./SimulateCustomPolicy.ts";
import { SimulatePrincipalPolicy } from "./SimulatePrincipalPolicy.ts";
import { TagOpenIDConnectProvider } from "./TagOpenIDConnectProvider.ts";
import { TagPolicy } from "./TagPolicy.ts";
import { TagRole } from "./TagRole.ts";
import { TagUser } from "./TagUser.ts";
import { UntagOpenIDConnectProvider } from "./UntagOpenIDConnectProvider.ts";
import { UntagPolicy } from "./UntagPolicy.ts";
import { UntagRole } from "./UntagRole.ts";
import { UntagUser } from "./UntagUser.ts";
import { UpdateAccessKey } from "./UpdateAccessKey.ts";
import { UpdateAssumeRolePolicy } from "./UpdateAssumeRolePolicy.ts";
import { UpdateGroup } from "./UpdateGroup.ts";
import { UpdateOpenIDConnectProviderThumbprint } from "./UpdateOpenIDConnectProviderThumbprint.ts";
import { UpdateRole } from "./UpdateRole.ts";
import { UpdateRoleDescription } from "./UpdateRoleDescription.ts";
import { UpdateUser } from "./UpdateUser.ts";

export const operations = operationMap<IamParts>([
  AddClientIDToOpenIDConnectProvider,
  AddUserToGroup,
  AttachGroupPolicy,
  AttachRolePolicy,
  AttachUserPolicy,
  CreateAccessKey,
  CreateAccountAlias,
  CreateGroup,
  CreateOpenIDConnectProvider,
  CreatePolicy,
  CreatePolicyVersion,
  CreateRole,
  CreateServiceLinkedRole,
  CreateUser,
  DeleteAccessKey,
  DeleteAccountAlias,
  DeleteGroup,
  DeleteGroupPolicy,
  DeleteLoginProfile,
  DeleteOpenIDConnectProvider,
  DeletePolicy,
  DeletePolicyVersion,
  DeleteRole,
  DeleteRolePermissionsBoundary,
  DeleteRolePolicy,
  DeleteServiceLinkedRole,
  DeleteUser,
  DeleteUserPermissionsBoundary,
  DeleteUserPolicy,
  DetachGroupPolicy,
  DetachRolePolicy,
  DetachUserPolicy,
  GetAccessKeyLastUsed,
  GetAccountSummary,
  GetContextKeysForCustomPolicy,
  GetContextKeysForPrincipalPolicy,
  GetGroup,
  GetGroupPolicy,
  GetLoginProfile,
  GetOpenIDConnectProvider,
  GetPolicy,
  GetPolicyVersion,
  GetRole,
  GetRolePolicy,
  GetServiceLinkedRoleDeletionStatus,
  GetUser,
  GetUserPolicy,
  ListAccessKeys,
  ListAccountAliases,
  ListAttachedGroupPolicies,
  ListAttachedRolePolicies,
  ListAttachedUserPolicies,
  ListEntitiesForPolicy,
  ListGroupPolicies,
  ListGroups,
  ListGroupsForUser,
  ListInstanceProfilesForRole,
  ListMFADevices,
  ListOpenIDConnectProviderTags,
  ListOpenIDConnectProviders,
  ListPolicies,
  ListPolicyTags,
  ListPolicyVersions,
  ListRolePolicies,
  ListRoleTags,
  ListRoles,
  ListSSHPublicKeys,
  ListServiceSpecificCredentials,
  ListSigningCertificates,
  ListUserPolicies,
  ListUserTags,
  ListUsers,
  ListVirtualMFADevices,
  PutGroupPolicy,
  PutRolePermissionsBoundary,
  PutRolePolicy,
  PutUserPermissionsBoundary,
  PutUserPolicy,
  RemoveClientIDFromOpenIDConnectProvider,
  RemoveUserFromGroup,
  SetDefaultPolicyVersion,
  SimulateCustomPolicy,
  SimulatePrincipalPolicy,
  TagOpenIDConnectProvider,
  TagPolicy,
  TagRole,
  TagUser,
  UntagOpenIDConnectProvider,
  UntagPolicy,
  UntagRole,
  UntagUser,
  UpdateAccessKey,
  UpdateAssumeRolePolicy,
  UpdateGroup,
  UpdateOpenIDConnectProviderThumbprint,
  UpdateRole,
  UpdateRoleDescription,
  UpdateUser,
]);
