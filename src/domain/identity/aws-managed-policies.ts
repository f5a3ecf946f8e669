import { createHash } from "node:crypto";
import { type Arn, iamArn } from "../names.ts";

/** A policy that every account can attach and nobody can change. The program knows it; no database holds it. */
export interface AwsManagedPolicy {
  readonly arn: Arn;
  readonly path: string;
  readonly name: string;
  readonly uniqueId: string;
  readonly description: string;
  readonly document: string;
  readonly createdAt: Date;
  /** Policies of service-linked roles cannot be attached by anybody else. */
  readonly attachable: boolean;
}

/** They are as old as this list: nothing here depends on when a server was set up. */
const createdAt = new Date("2026-01-01T00:00:00Z");
const serviceRolePath = "/aws-service-role/";

const readActions = [
  "ecr:GetAuthorizationToken",
  "ecr:BatchCheckLayerAvailability",
  "ecr:GetDownloadUrlForLayer",
  "ecr:GetRepositoryPolicy",
  "ecr:DescribeRepositories",
  "ecr:ListImages",
  "ecr:DescribeImages",
  "ecr:BatchGetImage",
  "ecr:GetLifecyclePolicy",
  "ecr:GetLifecyclePolicyPreview",
  "ecr:ListTagsForResource",
  "ecr:DescribeImageScanFindings",
];
const pushActions = ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"];
const publicReadActions = [
  "ecr-public:GetAuthorizationToken",
  "sts:GetServiceBearerToken",
  "ecr-public:BatchCheckLayerAvailability",
  "ecr-public:GetRepositoryPolicy",
  "ecr-public:DescribeRepositories",
  "ecr-public:DescribeRegistries",
  "ecr-public:DescribeImages",
  "ecr-public:DescribeImageTags",
  "ecr-public:GetRepositoryCatalogData",
  "ecr-public:GetRegistryCatalogData",
];

/** Those that a registry's users need (reference of AWS managed policies), and those for whoever looks after IAM. */
const policies: readonly AwsManagedPolicy[] = [
  policy("/", "AdministratorAccess", "Everything, everywhere.", allow("*")),
  policy(
    "/",
    "PowerUserAccess",
    "Everything but users, accounts and the organization.",
    { Effect: "Allow", NotAction: ["iam:*", "organizations:*", "account:*"], Resource: "*" },
    allow(
      "iam:CreateServiceLinkedRole",
      "iam:DeleteServiceLinkedRole",
      "iam:ListRoles",
      "organizations:DescribeOrganization",
      "account:GetAccountInformation",
      "account:GetPrimaryEmail",
      "account:ListRegions",
    ),
  ),
  policy(
    "/",
    "IAMFullAccess",
    "Everything in IAM.",
    allow(
      "iam:*",
      "organizations:DescribeAccount",
      "organizations:DescribeOrganization",
      "organizations:DescribeOrganizationalUnit",
      "organizations:DescribePolicy",
      "organizations:ListChildren",
      "organizations:ListParents",
      "organizations:ListPoliciesForTarget",
      "organizations:ListRoots",
      "organizations:ListPolicies",
      "organizations:ListTargetsForPolicy",
    ),
  ),
  policy(
    "/",
    "IAMReadOnlyAccess",
    "Sees everything in IAM.",
    allow(
      "iam:GenerateCredentialReport",
      "iam:GenerateServiceLastAccessedDetails",
      "iam:Get*",
      "iam:List*",
      "iam:SimulateCustomPolicy",
      "iam:SimulatePrincipalPolicy",
    ),
  ),
  policy("/", "AmazonEC2ContainerRegistryReadOnly", "Sees and pulls every image.", allow(...readActions)),
  policy(
    "/",
    "AmazonEC2ContainerRegistryPowerUser",
    "Pulls and pushes every image; neither creates nor deletes.",
    allow(...readActions, ...pushActions.map((name) => `ecr:${name}`)),
  ),
  policy(
    "/",
    "AmazonEC2ContainerRegistryPullOnly",
    "Pulls every image, and nothing else.",
    allow(
      "ecr:GetAuthorizationToken",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
      "ecr:BatchImportUpstreamImage",
    ),
  ),
  policy(
    "/",
    "AmazonEC2ContainerRegistryFullAccess",
    "Everything in the registry.",
    allow("ecr:*", "cloudtrail:LookupEvents"),
    {
      ...allow("iam:CreateServiceLinkedRole"),
      Condition: { StringEquals: { "iam:AWSServiceName": ["replication.ecr.amazonaws.com"] } },
    },
  ),
  policy("/", "AmazonElasticContainerRegistryPublicReadOnly", "Sees public repositories.", allow(...publicReadActions)),
  policy(
    "/",
    "AmazonElasticContainerRegistryPublicPowerUser",
    "Pushes to public repositories; neither creates nor deletes.",
    allow(...publicReadActions, ...pushActions.map((name) => `ecr-public:${name}`)),
  ),
  policy(
    "/",
    "AmazonElasticContainerRegistryPublicFullAccess",
    "Everything with public repositories.",
    allow("ecr-public:*", "sts:GetServiceBearerToken"),
  ),
  policy(
    serviceRolePath,
    "ECRReplicationServiceRolePolicy",
    "What replication does in its destinations.",
    allow("ecr:CreateRepository", "ecr:ReplicateImage"),
  ),
  policy(
    serviceRolePath,
    "AWSECRPullThroughCache_ServiceRolePolicy",
    "What the pull-through cache does for who pulls.",
    allow(
      "ecr:GetAuthorizationToken",
      "ecr:BatchCheckLayerAvailability",
      "ecr:InitiateLayerUpload",
      "ecr:UploadLayerPart",
      "ecr:CompleteLayerUpload",
      "ecr:PutImage",
      "ecr:BatchGetImage",
      "ecr:BatchImportUpstreamImage",
      "ecr:DescribeRegistry",
      "ecr:GetDownloadUrlForLayer",
    ),
    {
      Effect: "Allow",
      Action: "secretsmanager:GetSecretValue",
      Resource: "arn:aws:secretsmanager:*:*:secret:ecr-pullthroughcache/*",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of policies
      Condition: { StringEquals: { "aws:ResourceAccount": ["${aws:PrincipalAccount}"] } },
    },
  ),
  policy(
    serviceRolePath,
    "ECRTemplateServiceRolePolicy",
    "What creation templates do for who pushes.",
    allow("ecr:CreateRepository"),
  ),
];

const byArn = new Map(policies.map((one) => [one.arn as string, one]));

export function awsManagedPolicy(arn: string): AwsManagedPolicy | undefined {
  return byArn.get(arn);
}

export function awsManagedDocument(arn: string): string | undefined {
  return byArn.get(arn)?.document;
}

/** By lower-case name. */
export const awsManagedPolicies: readonly AwsManagedPolicy[] = [...policies].sort((a, b) =>
  a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1,
);

/** Whether an ARN is one of AWS's own policies, whether or not there is such a policy. */
export function isAwsManaged(arn: string): boolean {
  return arn.startsWith("arn:aws:iam::aws:policy/");
}

function policy(path: string, name: string, description: string, ...statements: object[]): AwsManagedPolicy {
  const arn = iamArn("aws", "policy", path, name);
  return {
    arn,
    path,
    name,
    uniqueId: `ANPA${createHash("sha256").update(arn).digest("hex").slice(0, 17).toUpperCase()}`,
    description,
    document: JSON.stringify({ Version: "2012-10-17", Statement: statements }, null, 2),
    createdAt,
    attachable: path !== serviceRolePath,
  };
}

function allow(...actions: string[]): object {
  return { Effect: "Allow", Action: actions.length === 1 ? actions[0] : actions, Resource: "*" };
}
