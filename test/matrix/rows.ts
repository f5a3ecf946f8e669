import type { ApiCall } from "./calls.ts";

/**
 * Every route and operation, with what it needs according to AWS's own tables (service authorization reference; ECR user
 * guide, "Required IAM permissions for pushing an image"), written down a second time: where the code's tables differ
 * from these, the matrix fails.
 */
export interface Row {
  /** `GET manifest`, `ecr:PutImage`. */
  readonly name: string;
  /** The kinds of data-plane requests, or the API operation, that the row stands for. */
  readonly covers: string;
  /** Each must be allowed. */
  readonly actions: readonly string[];
  /** `*`, or an ARN in which `{account}` stands for the owner's id. */
  readonly resource: string;
  /**
   * Whether a request can name another account's resources: by host, registry id or ARN. If not, a caller from another
   * account reaches its own resources only.
   */
  readonly crossAccount: boolean;
  /** `false` where the resource has a name that nobody knows beforehand: any is right in a refusal then. */
  readonly namesItsResource?: boolean;
  /** Who alone may do it, whatever policies say. */
  readonly onlyFor?: "management account" | "long-term keys";
  readonly request: DataRequest | ApiCall;
}

export interface DataRequest {
  readonly kind: "data";
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export const repository = "matrix/app";
export const elsewhere = "matrix/other";
const repositoryArn = `arn:aws:ecr:us-east-1:{account}:repository/${repository}`;
const digest = `sha256:${"a".repeat(64)}`;
const upload = "00000000-0000-4000-8000-000000000000";
const manifestType = { "content-type": "application/vnd.oci.image.manifest.v1+json" };

function data(
  covers: string,
  method: string,
  path: string,
  actions: readonly string[],
  more: Partial<DataRequest> = {},
): Row {
  return {
    name: `${method} ${path.replace(repository, "N").replace(digest, "D").replace(upload, "U")}`,
    covers,
    actions: actions.map((action) => `ecr:${action}`),
    resource: repositoryArn,
    crossAccount: true,
    request: { kind: "data", method, path, ...more },
  };
}

const under = (rest: string) => `/v2/${repository}/${rest}`;

/** Routes of the data plane that are decided for a repository. `base` and `catalog` have tests of their own below. */
export const dataRows: readonly Row[] = [
  data("blob.read", "GET", under(`blobs/${digest}`), ["GetDownloadUrlForLayer"]),
  data("blob.read", "HEAD", under(`blobs/${digest}`), ["BatchCheckLayerAvailability"]),
  data("blob.delete", "DELETE", under(`blobs/${digest}`), ["BatchDeleteImage"]),
  data("manifest.read", "GET", under("manifests/v1"), ["BatchGetImage"]),
  data("manifest.read", "HEAD", under("manifests/v1"), ["BatchGetImage"]),
  data("manifest.read", "GET", under(`manifests/${digest}`), ["BatchGetImage"]),
  data("manifest.write", "PUT", under("manifests/v1"), ["PutImage"], { headers: manifestType, body: "{}" }),
  data("manifest.write", "PUT", under(`manifests/${digest}?tag=v2`), ["PutImage"], {
    headers: manifestType,
    body: "{}",
  }),
  data("manifest.delete", "DELETE", under("manifests/none"), ["BatchDeleteImage"]),
  data("manifest.delete", "DELETE", under(`manifests/${digest}`), ["BatchDeleteImage"]),
  data("upload.begin", "POST", under("blobs/uploads/"), ["InitiateLayerUpload"]),
  data(
    "upload.single",
    "POST",
    under(`blobs/uploads/?digest=${digest}`),
    ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"],
    { body: "x" },
  ),
  data("upload.mount", "POST", under(`blobs/uploads/?mount=${digest}&from=matrix/none`), ["InitiateLayerUpload"]),
  data("upload.write", "PATCH", under(`blobs/uploads/${upload}`), ["UploadLayerPart"], { body: "x" }),
  data(
    "upload.commit",
    "PUT",
    under(`blobs/uploads/${upload}?digest=${digest}`),
    ["UploadLayerPart", "CompleteLayerUpload"],
    { body: "x" },
  ),
  data("upload.status", "GET", under(`blobs/uploads/${upload}`), ["UploadLayerPart"]),
  data("upload.cancel", "DELETE", under(`blobs/uploads/${upload}`), ["InitiateLayerUpload"]),
  data("tags", "GET", under("tags/list"), ["ListImages"]),
  data("tag.history", "GET", under("_berth/tags/v1/history"), ["DescribeImages"]),
  data("referrers", "GET", under(`referrers/${digest}`), ["BatchGetImage"]),
];

/** Decided without a repository: signed in is enough for `base`, and the catalog shows what its reader may describe. */
export const undecidedRoutes = ["base", "catalog"];

// ── The AWS APIs ────────────────────────────────────────────────────────────────────────────────────────────────────

const ecrTarget = "AmazonEC2ContainerRegistry_V20150921";

/** An operation on a repository, which may be another account's. */
function onRepository(operation: string, input: object = {}, actions: readonly string[] = [operation]): Row {
  return {
    name: `ecr:${operation}${actions.length > 1 ? ` (${actions.join(", ")})` : ""}`,
    covers: `ecr:${operation}`,
    actions: actions.map((action) => `ecr:${action}`),
    resource: repositoryArn,
    crossAccount: true,
    request: {
      kind: "json",
      service: "ecr",
      target: `${ecrTarget}.${operation}`,
      input: { registryId: "{account}", repositoryName: repository, ...input },
    },
  };
}

/** An operation on the caller's own registry. */
function onRegistry(operation: string, input: object = {}): Row {
  return {
    name: `ecr:${operation}`,
    covers: `ecr:${operation}`,
    actions: [`ecr:${operation}`],
    resource: "*",
    crossAccount: false,
    request: { kind: "json", service: "ecr", target: `${ecrTarget}.${operation}`, input },
  };
}

/** Whoever writes a template needs what is done by it, on the repositories that it is for, and may pass its role on. */
function template(verb: "Create" | "Update", input: object): Row {
  const operation = `${verb}RepositoryCreationTemplate`;
  const done = ["CreateRepository", "SetRepositoryPolicy", "PutLifecyclePolicy"].map((action) => `ecr:${action}`);
  return {
    ...onRegistry(operation, { prefix: "matrix", ...input }),
    actions: [`ecr:${operation}`, ...done, "iam:PassRole"],
    namesItsResource: false,
  };
}

/** They can name the registry of another account. */
function ofRules(operation: string, input: object = {}): Row {
  return { ...onRegistry(operation, { registryId: "{account}", ...input }), crossAccount: true };
}

const policy = (statement: object) => JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
const imageIds = [{ imageTag: "none" }];
const excluded = "arn:aws:iam::123456789012:role/scanner";
const ghostRule = { ecrRepositoryPrefix: "ghost" };
const byArn = { registryId: undefined, repositoryName: undefined, resourceArn: repositoryArn };

const written = {
  lifecyclePolicy: "{}",
  repositoryPolicy: "{}",
  customRoleArn: "arn:aws:iam::123456789012:role/maker",
};

export const ecrRows: readonly Row[] = [
  onRepository("BatchCheckLayerAvailability", { layerDigests: [digest] }),
  onRepository("BatchDeleteImage", { imageIds }),
  onRepository("BatchGetImage", { imageIds }),
  {
    ...onRepository("BatchGetRepositoryScanningConfiguration", {
      registryId: undefined,
      repositoryName: undefined,
      repositoryNames: [repository],
    }),
    crossAccount: false,
  },
  onRepository("CompleteLayerUpload", { uploadId: upload, layerDigests: [digest] }),
  onRepository("CreateRepository"),
  onRepository("CreateRepository", { tags: [{ Key: "team", Value: "core" }] }, ["CreateRepository", "TagResource"]),
  {
    ...onRepository("CreateRepository", {
      encryptionConfiguration: { encryptionType: "KMS", kmsKey: "00000000-0000-4000-8000-000000000000" },
    }),
    name: "ecr:CreateRepository with a key",
    // What the registry asks of KMS in the caller's name (ECR user guide, "Encryption at rest").
    actions: ["ecr:CreateRepository", "kms:DescribeKey", "kms:CreateGrant"],
    resource: "*",
    namesItsResource: false,
  },
  onRepository("DeleteLifecyclePolicy"),
  onRepository("DeleteRepositoryPolicy"),
  onRepository("DescribeImageReplicationStatus", { imageId: imageIds[0] }),
  onRepository("DescribeImages"),
  onRepository("DescribeImageScanFindings", { imageId: imageIds[0] }),
  onRepository("DescribeImageSigningStatus", { imageId: imageIds[0] }),
  onRepository("DescribeRepositories", { repositoryName: undefined, repositoryNames: [repository] }),
  {
    ...onRepository("DescribeRepositories", { repositoryName: undefined }),
    name: "ecr:DescribeRepositories of all",
    resource: repositoryArn.replace(repository, "*"),
  },
  onRepository("GetDownloadUrlForLayer", { layerDigest: digest }),
  onRepository("GetLifecyclePolicy"),
  onRepository("GetLifecyclePolicyPreview"),
  onRepository("GetRepositoryPolicy"),
  onRepository("InitiateLayerUpload"),
  onRepository("ListImageReferrers", { subjectId: { imageDigest: digest } }, ["BatchGetImage"]),
  onRepository("ListImages"),
  onRepository("ListTagsForResource", byArn),
  onRepository("PutImage", { imageManifest: "{}" }),
  onRepository("PutImageScanningConfiguration", { imageScanningConfiguration: { scanOnPush: false } }),
  onRepository("PutImageTagMutability", { imageTagMutability: "MUTABLE" }),
  onRepository("PutLifecyclePolicy", { lifecyclePolicyText: "{}" }),
  onRepository("SetRepositoryPolicy", { policyText: "{}" }),
  onRepository("StartImageScan", { imageId: imageIds[0] }),
  onRepository("StartLifecyclePolicyPreview"),
  onRepository("TagResource", { ...byArn, tags: [{ Key: "team", Value: "core" }] }),
  onRepository("UpdateImageStorageClass", { imageId: imageIds[0], targetStorageClass: "ARCHIVE" }),
  onRepository("UntagResource", { ...byArn, tagKeys: ["team"] }),
  onRepository("UploadLayerPart", { uploadId: upload, partFirstByte: 0, partLastByte: 0, layerPartBlob: "eA==" }),
  onRegistry("DeleteRegistryPolicy"),
  onRegistry("DeleteSigningConfiguration"),
  onRegistry("DescribeRegistry"),
  onRegistry("GetAccountSetting", { name: "BLOB_MOUNTING" }),
  onRegistry("RegisterPullTimeUpdateExclusion", { principalArn: excluded }),
  onRegistry("DeregisterPullTimeUpdateExclusion", { principalArn: excluded }),
  onRegistry("ListPullTimeUpdateExclusions"),
  template("Create", { appliedFor: ["REPLICATION"], ...written }),
  template("Update", written),
  onRegistry("DescribeRepositoryCreationTemplates"),
  onRegistry("DeleteRepositoryCreationTemplate", { prefix: "matrix" }),
  ofRules("CreatePullThroughCacheRule", { ...ghostRule, upstreamRegistryUrl: "quay.io" }),
  ofRules("DescribePullThroughCacheRules"),
  ofRules("UpdatePullThroughCacheRule", ghostRule),
  ofRules("ValidatePullThroughCacheRule", ghostRule),
  ofRules("DeletePullThroughCacheRule", ghostRule),
  onRegistry("GetAuthorizationToken"),
  onRegistry("GetRegistryPolicy"),
  onRegistry("GetRegistryScanningConfiguration"),
  onRegistry("GetSigningConfiguration"),
  onRegistry("PutAccountSetting", { name: "BLOB_MOUNTING", value: "ENABLED" }),
  onRegistry("PutRegistryScanningConfiguration", { scanType: "BASIC" }),
  onRegistry("PutSigningConfiguration", { signingConfiguration: { rules: [] } }),
  onRegistry("PutRegistryPolicy", {
    policyText: policy({
      Effect: "Allow",
      Principal: { AWS: "123456789012" },
      Action: "ecr:ReplicateImage",
      Resource: "*",
    }),
  }),
  onRegistry("StartReplicationBackfill", { destination: { region: "eu-west-1", registryId: "123456789012" } }),
  onRegistry("ListReplicationBackfills"),
  onRegistry("DescribeReplicationBackfillResults", { replicationBackfillId: "none" }),
  onRegistry("StopReplicationBackfill", { replicationBackfillId: "none" }),
  onRegistry("PutReplicationConfiguration", { replicationConfiguration: { rules: [] } }),
  // The last, because it takes the repository away.
  onRepository("DeleteRepository", { force: true }),
];
