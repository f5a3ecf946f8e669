import type { Row } from "./rows.ts";

/** IAM, as the service authorization reference has it. Nothing that these name exists: the gate comes before that. */

const tags = [{ Key: "team", Value: "core" }];
const document = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: "ecr:*", Resource: "*" },
});
const trust = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Principal: { AWS: "{account}" }, Action: "sts:AssumeRole" },
});
const policyArn = "arn:aws:iam::{account}:policy/ghost";
const providerArn = "arn:aws:iam::{account}:oidc-provider/ghost.test";

function iam(operation: string, resource: string, input: object = {}, actions: readonly string[] = [operation]): Row {
  return {
    name: `iam:${operation}${actions.length > 1 ? ` (${actions.join(", ")})` : ""}`,
    covers: `iam:${operation}`,
    actions: actions.map((action) => `iam:${action}`),
    resource: resource === "*" ? "*" : `arn:aws:iam::{account}:${resource}`,
    // A user, group or role is named without its account: everybody reaches their own.
    crossAccount: false,
    request: { kind: "query", service: "iam", target: `${operation} 2010-05-08`, input },
  };
}

const user = (operation: string, input: object = {}) => iam(operation, "user/ghost", { UserName: "ghost", ...input });
const group = (operation: string, input: object = {}) =>
  iam(operation, "group/ghost", { GroupName: "ghost", ...input });
const role = (operation: string, input: object = {}) => iam(operation, "role/ghost", { RoleName: "ghost", ...input });
const policy = (operation: string, input: object = {}) =>
  iam(operation, "policy/ghost", { PolicyArn: policyArn, ...input });
const provider = (operation: string, input: object = {}) =>
  iam(operation, "oidc-provider/ghost.test", { OpenIDConnectProviderArn: providerArn, ...input });

const serviceRole = "role/aws-service-role/replication.ecr.amazonaws.com/";
const inline = { PolicyName: "inline" };
const attached = { PolicyArn: policyArn };

export const iamRows: readonly Row[] = [
  user("GetUser"),
  user("UpdateUser"),
  user("DeleteUser"),
  user("TagUser", { Tags: tags }),
  user("UntagUser", { TagKeys: ["team"] }),
  user("ListUserTags"),
  user("CreateAccessKey"),
  user("ListAccessKeys"),
  user("UpdateAccessKey", { AccessKeyId: "AKIAGHOSTGHOSTGHOST1", Status: "Inactive" }),
  user("DeleteAccessKey", { AccessKeyId: "AKIAGHOSTGHOSTGHOST1" }),
  user("PutUserPermissionsBoundary", { PermissionsBoundary: policyArn }),
  user("DeleteUserPermissionsBoundary"),
  user("ListGroupsForUser"),
  user("ListMFADevices"),
  user("ListSigningCertificates"),
  user("ListSSHPublicKeys"),
  user("ListServiceSpecificCredentials"),
  user("GetLoginProfile"),
  user("DeleteLoginProfile"),
  user("PutUserPolicy", { ...inline, PolicyDocument: document }),
  user("GetUserPolicy", inline),
  user("DeleteUserPolicy", inline),
  user("ListUserPolicies"),
  user("AttachUserPolicy", attached),
  user("DetachUserPolicy", attached),
  user("ListAttachedUserPolicies"),
  iam("ListUsers", "user/"),

  group("GetGroup"),
  group("UpdateGroup"),
  group("DeleteGroup"),
  group("AddUserToGroup", { UserName: "ghost" }),
  group("RemoveUserFromGroup", { UserName: "ghost" }),
  group("PutGroupPolicy", { ...inline, PolicyDocument: document }),
  group("GetGroupPolicy", inline),
  group("DeleteGroupPolicy", inline),
  group("ListGroupPolicies"),
  group("AttachGroupPolicy", attached),
  group("DetachGroupPolicy", attached),
  group("ListAttachedGroupPolicies"),
  iam("ListGroups", "group/"),

  role("GetRole"),
  role("UpdateRole"),
  role("UpdateRoleDescription", { Description: "" }),
  role("DeleteRole"),
  role("UpdateAssumeRolePolicy", { PolicyDocument: trust }),
  role("TagRole", { Tags: tags }),
  role("UntagRole", { TagKeys: ["team"] }),
  role("ListRoleTags"),
  role("PutRolePermissionsBoundary", { PermissionsBoundary: policyArn }),
  role("DeleteRolePermissionsBoundary"),
  role("ListInstanceProfilesForRole"),
  role("PutRolePolicy", { ...inline, PolicyDocument: document }),
  role("GetRolePolicy", inline),
  role("DeleteRolePolicy", inline),
  role("ListRolePolicies"),
  role("AttachRolePolicy", attached),
  role("DetachRolePolicy", attached),
  role("ListAttachedRolePolicies"),
  iam("ListRoles", "role/"),

  policy("GetPolicy"),
  policy("DeletePolicy"),
  policy("CreatePolicyVersion", { PolicyDocument: document }),
  policy("GetPolicyVersion", { VersionId: "v1" }),
  policy("DeletePolicyVersion", { VersionId: "v1" }),
  policy("ListPolicyVersions"),
  policy("SetDefaultPolicyVersion", { VersionId: "v1" }),
  policy("ListEntitiesForPolicy"),
  policy("TagPolicy", { Tags: tags }),
  policy("UntagPolicy", { TagKeys: ["team"] }),
  policy("ListPolicyTags"),
  iam("ListPolicies", "policy/"),

  provider("GetOpenIDConnectProvider"),
  provider("DeleteOpenIDConnectProvider"),
  provider("UpdateOpenIDConnectProviderThumbprint", { ThumbprintList: ["a".repeat(40)] }),
  provider("AddClientIDToOpenIDConnectProvider", { ClientID: "one" }),
  provider("RemoveClientIDFromOpenIDConnectProvider", { ClientID: "one" }),
  provider("TagOpenIDConnectProvider", { Tags: tags }),
  provider("UntagOpenIDConnectProvider", { TagKeys: ["team"] }),
  provider("ListOpenIDConnectProviderTags"),
  iam("ListOpenIDConnectProviders", "oidc-provider/*"),

  iam("GetAccessKeyLastUsed", "user/*", { AccessKeyId: "AKIAGHOSTGHOSTGHOST1" }),
  iam("GetAccountSummary", "*"),
  iam("ListAccountAliases", "*"),
  iam("ListVirtualMFADevices", "*"),
  iam("DeleteAccountAlias", "*", { AccountAlias: "ghost-alias" }),
  iam("CreateAccountAlias", "*", { AccountAlias: "matrix-alias" }),

  iam("CreateServiceLinkedRole", `${serviceRole}AWSServiceRoleForECRReplication`, {
    AWSServiceName: "replication.ecr.amazonaws.com",
  }),
  iam("DeleteServiceLinkedRole", "role/ghost", { RoleName: "ghost" }),
  iam("GetServiceLinkedRoleDeletionStatus", `${serviceRole}AWSServiceRoleForECRReplication`, {
    DeletionTaskId: `task/${serviceRole.slice("role/".length)}AWSServiceRoleForECRReplication/00000000-0000-4000-8000-000000000000`,
  }),

  // These make what the rows before them must not find.
  iam("CreateUser", "user/ghost", { UserName: "ghost" }),
  iam("CreateGroup", "group/ghost", { GroupName: "ghost" }),
  iam("CreateRole", "role/ghost", { RoleName: "ghost", AssumeRolePolicyDocument: trust }),
  iam("CreatePolicy", "policy/ghost", { PolicyName: "ghost", PolicyDocument: document }),
  iam("CreateOpenIDConnectProvider", "oidc-provider/ghost.test", { Url: "https://ghost.test" }),
];
