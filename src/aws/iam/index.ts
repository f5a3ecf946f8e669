import { refuse } from "../../domain/errors.ts";
import { operationMap, type QueryService } from "../service.ts";
import { AddUserToGroup } from "./AddUserToGroup.ts";
import { CreateAccessKey } from "./CreateAccessKey.ts";
import { CreateAccountAlias } from "./CreateAccountAlias.ts";
import { CreateGroup } from "./CreateGroup.ts";
import { CreateUser } from "./CreateUser.ts";
import { DeleteAccessKey } from "./DeleteAccessKey.ts";
import { DeleteAccountAlias } from "./DeleteAccountAlias.ts";
import { DeleteGroup } from "./DeleteGroup.ts";
import { DeleteLoginProfile } from "./DeleteLoginProfile.ts";
import { DeleteUser } from "./DeleteUser.ts";
import { DeleteUserPermissionsBoundary } from "./DeleteUserPermissionsBoundary.ts";
import { errors } from "./errors.ts";
import { GetAccessKeyLastUsed } from "./GetAccessKeyLastUsed.ts";
import { GetAccountSummary } from "./GetAccountSummary.ts";
import { GetGroup } from "./GetGroup.ts";
import { GetLoginProfile } from "./GetLoginProfile.ts";
import { GetUser } from "./GetUser.ts";
import { ListAccessKeys } from "./ListAccessKeys.ts";
import { ListAccountAliases } from "./ListAccountAliases.ts";
import { ListGroups } from "./ListGroups.ts";
import { ListGroupsForUser } from "./ListGroupsForUser.ts";
import { ListMFADevices } from "./ListMFADevices.ts";
import { ListServiceSpecificCredentials } from "./ListServiceSpecificCredentials.ts";
import { ListSigningCertificates } from "./ListSigningCertificates.ts";
import { ListSSHPublicKeys } from "./ListSSHPublicKeys.ts";
import { ListUsers } from "./ListUsers.ts";
import { ListUserTags } from "./ListUserTags.ts";
import { ListVirtualMFADevices } from "./ListVirtualMFADevices.ts";
import type { IamParts } from "./operation.ts";
import { PutUserPermissionsBoundary } from "./PutUserPermissionsBoundary.ts";
import { RemoveUserFromGroup } from "./RemoveUserFromGroup.ts";
import { invalidText } from "./shapes.ts";
import { TagUser } from "./TagUser.ts";
import { UntagUser } from "./UntagUser.ts";
import { UpdateAccessKey } from "./UpdateAccessKey.ts";
import { UpdateGroup } from "./UpdateGroup.ts";
import { UpdateUser } from "./UpdateUser.ts";

/** AWS Identity and Access Management, API version 2010-05-08. */
export function createIam(parts: IamParts): QueryService {
  return {
    name: "iam",
    version: "2010-05-08",
    namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
    operations,
    parts,
    errors,
    internal: ["ServiceFailure", 500],
    invalidInput: (problems) => refuse("Validation", { reason: invalidText(problems) }),
  };
}

export const operations = operationMap<IamParts>([
  AddUserToGroup,
  CreateAccessKey,
  CreateAccountAlias,
  CreateGroup,
  CreateUser,
  DeleteAccessKey,
  DeleteAccountAlias,
  DeleteGroup,
  DeleteLoginProfile,
  DeleteUser,
  DeleteUserPermissionsBoundary,
  GetAccessKeyLastUsed,
  GetAccountSummary,
  GetGroup,
  GetLoginProfile,
  GetUser,
  ListAccessKeys,
  ListAccountAliases,
  ListGroups,
  ListGroupsForUser,
  ListMFADevices,
  ListSSHPublicKeys,
  ListServiceSpecificCredentials,
  ListSigningCertificates,
  ListUserTags,
  ListUsers,
  ListVirtualMFADevices,
  PutUserPermissionsBoundary,
  RemoveUserFromGroup,
  TagUser,
  UntagUser,
  UpdateAccessKey,
  UpdateGroup,
  UpdateUser,
]);
