import { iamRows } from "./iam-rows.ts";
import { kmsRows } from "./kms-rows.ts";
import { ecrRows, type Row, repository } from "./rows.ts";
import { secretsRows } from "./secrets-rows.ts";

/** STS, Organizations, CloudTrail and our own API, and everything together. */

function sts(operation: string, resource: string, input: object, more: Partial<Row> = {}): Row {
  return {
    name: `sts:${operation}`,
    covers: `sts:${operation}`,
    actions: [`sts:${operation}`],
    resource,
    crossAccount: false,
    request: { kind: "query", service: "sts", target: `${operation} 2011-06-15`, input },
    ...more,
  };
}

const stsRows: readonly Row[] = [
  sts("GetAccessKeyInfo", "*", { AccessKeyId: "AKIAGHOSTGHOSTGHOST1" }),
  sts("DecodeAuthorizationMessage", "*", { EncodedMessage: "ghost" }),
  sts(
    "GetFederationToken",
    "arn:aws:sts::{account}:federated-user/ghost",
    { Name: "ghost" },
    { onlyFor: "long-term keys" },
  ),
];

/** These have no decision by identity policies alone: they have tests of their own, in src/aws. */
export const decidedOtherwise = [
  "sts:GetCallerIdentity",
  "sts:GetSessionToken",
  "sts:AssumeRole",
  "sts:AssumeRoleWithWebIdentity",
  "sts:AssumeRoleWithCertificate",
  // Everybody may ask about themselves.
  "berth:ExplainDecision",
];

const organizationsTarget = "AWSOrganizationsV20161128";

function organizations(operation: string, input: object = {}): Row {
  return {
    name: `organizations:${operation}`,
    covers: `organizations:${operation}`,
    actions: [`organizations:${operation}`],
    resource: "*",
    namesItsResource: false,
    crossAccount: false,
    onlyFor: /^(?:Describe|Create)Organization$/.test(operation) ? undefined : "management account",
    request: { kind: "json", service: "organizations", target: `${organizationsTarget}.${operation}`, input },
  };
}

const unit = "ou-aaaa-aaaaaaaa";
const root = "r-aaaa";
const policy = "p-aaaaaaaa";
const type = "SERVICE_CONTROL_POLICY";
const member = "999999999999";
const everything = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: "*", Resource: "*" },
});

const organizationsRows: readonly Row[] = [
  organizations("AttachPolicy", { PolicyId: policy, TargetId: root }),
  organizations("CloseAccount", { AccountId: member }),
  organizations("CreateAccount", { AccountName: "matrix", Email: "matrix@berth.test" }),
  organizations("CreateOrganization", { FeatureSet: "ALL" }),
  organizations("CreateOrganizationalUnit", { ParentId: unit, Name: "ghost" }),
  organizations("CreatePolicy", { Content: everything, Description: "", Name: "matrix", Type: type }),
  organizations("DeleteOrganization"),
  organizations("DeleteOrganizationalUnit", { OrganizationalUnitId: unit }),
  organizations("DeletePolicy", { PolicyId: policy }),
  organizations("DescribeAccount", { AccountId: member }),
  organizations("DescribeCreateAccountStatus", { CreateAccountRequestId: `car-${"a".repeat(8)}` }),
  organizations("DescribeOrganization"),
  organizations("DescribeOrganizationalUnit", { OrganizationalUnitId: unit }),
  organizations("DescribePolicy", { PolicyId: policy }),
  organizations("DetachPolicy", { PolicyId: policy, TargetId: root }),
  organizations("DisablePolicyType", { RootId: root, PolicyType: type }),
  organizations("EnablePolicyType", { RootId: root, PolicyType: type }),
  organizations("ListAWSServiceAccessForOrganization"),
  organizations("ListAccounts"),
  organizations("ListAccountsForParent", { ParentId: root }),
  organizations("ListChildren", { ParentId: root, ChildType: "ACCOUNT" }),
  organizations("ListCreateAccountStatus"),
  organizations("ListDelegatedAdministrators"),
  organizations("ListOrganizationalUnitsForParent", { ParentId: root }),
  organizations("ListParents", { ChildId: member }),
  organizations("ListPolicies", { Filter: type }),
  organizations("ListPoliciesForTarget", { TargetId: root, Filter: type }),
  organizations("ListRoots"),
  organizations("ListTagsForResource", { ResourceId: root }),
  organizations("ListTargetsForPolicy", { PolicyId: policy }),
  organizations("MoveAccount", { AccountId: member, SourceParentId: root, DestinationParentId: unit }),
  organizations("RemoveAccountFromOrganization", { AccountId: member }),
  organizations("UpdateOrganizationalUnit", { OrganizationalUnitId: unit, Name: "ghost" }),
  organizations("UpdatePolicy", { PolicyId: policy, Name: "ghost" }),
];

/** On a repository, or on all of a registry, which may be another account's. */
function usage(operation: string, name: string, input: object = {}): Row {
  return {
    name: `berth:${operation}${name === "*" ? " of all" : ""}`,
    covers: `berth:${operation}`,
    actions: [`berth:${operation}`],
    resource: `arn:aws:ecr:us-east-1:{account}:repository/${name}`,
    crossAccount: true,
    request: {
      kind: "json",
      service: "berth",
      target: `Berth_V1.${operation}`,
      input: { registryId: "{account}", ...input },
    },
  };
}

/** An operation of our own on a repository. */
const ofRepository = (operation: string, input: object = {}) =>
  usage(operation, repository, { repositoryName: repository, ...input });

/** On the rules of a registry, which may be another account's. */
const ofRule = (operation: string): Row => ({
  ...usage(operation, repository, { ecrRepositoryPrefix: "ghost" }),
  resource: "*",
});

/** And one on the caller's own registry. */
const ofRegistry = (operation: string, input: object = {}): Row => ({
  ...ofRepository(operation),
  resource: "*",
  crossAccount: false,
  request: { kind: "json", service: "berth", target: `Berth_V1.${operation}`, input },
});

const berthRows: readonly Row[] = [
  ofRepository("ExplainLifecycle"),
  ofRepository("DiffLifecyclePolicy"),
  ofRule("GetPullThroughOptions"),
  ofRule("PutPullThroughOptions"),
  ofRepository("PutRetention", { reportOnly: true }),
  ofRepository("GetRetention"),
  ofRepository("DeleteRetention"),
  ofRepository("SetDeletionProtection", { deletionProtection: false }),
  ofRepository("ListDeletedImages"),
  ofRegistry("ListDeletedRepositories"),
  ofRepository("UndeleteImage", { imageDigest: `sha256:${"a".repeat(64)}` }),
  ofRepository("UndeleteRepository"),
  ofRepository("ListHolds"),
  ofRepository("PutHold", { imageId: { imageTag: "ghost" }, reason: "matrix" }),
  ofRepository("RemoveHold", { imageId: { imageTag: "ghost" } }),
  ofRepository("ReplicateImages"),
  ofRegistry("PutReplicationOptions"),
  ofRegistry("GetReplicationOptions"),
];

const otherRows: readonly Row[] = [
  {
    name: "cloudtrail:LookupEvents",
    covers: "cloudtrail:LookupEvents",
    actions: ["cloudtrail:LookupEvents"],
    resource: "*",
    crossAccount: false,
    request: {
      kind: "json",
      service: "cloudtrail",
      target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents",
      input: { MaxResults: 1 },
    },
  },
  usage("GetRepositoryUsage", repository, { repositoryName: repository }),
  usage("GetUsageHistory", repository, { repositoryName: repository }),
  usage("GetUsageHistory", "*"),
  usage("ListUsage", "*"),
];

export const apiRows: readonly Row[] = [
  ...stsRows,
  ...iamRows,
  ...kmsRows,
  ...secretsRows,
  ...organizationsRows,
  ...otherRows,
  ...berthRows,
  ...ecrRows,
];
