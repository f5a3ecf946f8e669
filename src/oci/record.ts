import type { Arrival, Granted } from "../domain/access.ts";
import type { Happening, Who } from "../domain/audit/happening.ts";
import type { AuditTrail } from "../domain/audit/trail.ts";
import { Refusal } from "../domain/errors.ts";
import type { Registry, RepositoryName } from "../domain/names.ts";
import type { Replicates } from "../domain/replication/header.ts";
import type { Authenticated } from "./authenticate.ts";
import { tokenPath } from "./bearer-token.ts";
import { codeOf, NotAuthenticated } from "./errors.ts";
import { type OciRequest, parseRequest } from "./request.ts";

/** What is known of a request so far. */
export interface Story {
  authenticated?: Authenticated;
  asked?: OciRequest;
  granted?: Granted;
  /** Of a request by which another Berth replicates: from which registry to which. */
  replicates?: Replicates;
}

export type Ending = { readonly response: Response } | { readonly thrown: unknown };

export interface Recorder {
  readonly audit: Pick<AuditTrail, "note" | "write">;
  /** Where requests are kept of which no registry is known. */
  readonly home: Registry;
  readonly clock: () => Date;
}

/**
 * Takes a request down. A delete is not answered before its record is safe; pulls and pushes wait only while the queue
 * is full, and then this resolves later.
 * @throws AuditUnavailable
 */
export function recordRequest(
  request: Request,
  url: URL,
  story: Story,
  ending: Ending,
  arrival: Arrival,
  recorder: Recorder,
): Promise<void> | undefined {
  const asked = story.asked ?? tryParse(request, url);
  if (!asked || isGreeting(asked, story, request)) return undefined;
  const happening = happeningOf(request, url, asked, story, ending, arrival, recorder);
  const isDelete = asked.kind === "manifest.delete" || asked.kind === "blob.delete";
  return isDelete && !happening.failure ? recorder.audit.write(happening) : recorder.audit.note(happening);
}

/** A push made the repository that it needed. Its own record says how the push was authenticated: the request is one. */
export async function recordCreation(
  name: RepositoryName,
  granted: Granted,
  { audit, clock }: Recorder,
): Promise<void> {
  const { caller, registry, needs, decisions } = granted;
  const { requestId, sourceIp, userAgent, secureTransport, certificate } = caller;
  await audit.write({
    at: clock().getTime(),
    arrival: { requestId, sourceIp, userAgent, secureTransport, certificate },
    who: { principal: caller.principal },
    ...registry,
    service: "ecr",
    operation: "CreateRepository",
    readOnly: false,
    input: { registryId: registry.account, repositoryName: name },
    output: { repository: { registryId: registry.account, repositoryName: name } },
    needs,
    decisions,
  });
}

/** `GET /v2/` asks whether one is signed in, and without credentials how to. Every client begins with it. */
function isGreeting({ kind }: OciRequest, { granted }: Story, { headers }: Request): boolean {
  return kind === "base" && (granted !== undefined || !headers.has("authorization"));
}

function tryParse({ method }: Request, url: URL): OciRequest | undefined {
  // Who is refused a token could not sign in. One that is given opens nothing that has no record of its own.
  if (url.pathname === tokenPath) return { kind: "base" };
  try {
    return parseRequest(method, url);
  } catch {
    // Not a request for anything: there is no name for it.
    return undefined;
  }
}

function happeningOf(
  request: Request,
  url: URL,
  asked: OciRequest,
  { authenticated, granted, replicates }: Story,
  ending: Ending,
  { requestId, sourceIp, userAgent, secureTransport, certificate }: Arrival,
  { home, clock }: Recorder,
): Happening {
  const response = "response" in ending ? ending.response : undefined;
  const registry = replicates?.to ?? authenticated?.registry ?? home;
  const { operation, readOnly } = operationOf(asked, response, replicates);
  return {
    at: clock().getTime(),
    arrival: { requestId, sourceIp, userAgent, secureTransport, certificate },
    who: whoOf(authenticated, ending),
    account: registry.account || home.account,
    region: registry.region,
    service: "ecr",
    operation,
    readOnly,
    input: { registryId: registry.account, ...parametersOf(asked), ...sourceOf(replicates) },
    output: response && outputOf(asked, response, registry),
    needs: granted?.needs,
    decisions: granted?.decisions,
    failure: "thrown" in ending ? failureOf(ending.thrown) : undefined,
    route: `${request.method} ${url.pathname.slice(0, 1000)}`,
    digest: asked.kind === "manifest.read" ? (response?.headers.get("docker-content-digest") ?? undefined) : undefined,
  };
}

function whoOf(authenticated: Authenticated | undefined, ending: Ending): Who {
  if (authenticated) {
    const { caller, accessKeyId, method } = authenticated;
    return { principal: caller.principal, accessKeyId, method };
  }
  const thrown = "thrown" in ending ? ending.thrown : undefined;
  return { claimed: thrown instanceof NotAuthenticated ? thrown.claimed : undefined };
}

function failureOf(thrown: unknown): Happening["failure"] {
  const denial = thrown instanceof Refusal && thrown.is("AccessDenied") ? thrown.facts : undefined;
  const { code, message } = codeOf(thrown);
  return { code: denial ? "AccessDenied" : code, message, denial };
}

/**
 * The API operation that a request is the equivalent of, as ECR's own trail names it (ECR user guide, "Logging Amazon
 * ECR actions with CloudTrail"). Three have none and are named alike.
 */
function operationOf(
  { kind, ...asked }: OciRequest,
  response?: Response,
  replicates?: Replicates,
): Pick<Happening, "operation" | "readOnly"> {
  switch (kind) {
    case "base":
      return { operation: "Login", readOnly: true };
    case "catalog":
      return { operation: "DescribeRepositories", readOnly: true };
    case "blob.read":
      return {
        operation: "head" in asked && asked.head ? "BatchCheckLayerAvailability" : "GetDownloadUrlForLayer",
        readOnly: true,
      };
    case "manifest.read":
      return { operation: "BatchGetImage", readOnly: true };
    case "blob.delete":
    case "manifest.delete":
      return { operation: "BatchDeleteImage", readOnly: false };
    case "manifest.write":
      return { operation: replicates ? "ReplicateImage" : "PutImage", readOnly: false };
    case "upload.begin":
      return { operation: "InitiateLayerUpload", readOnly: false };
    case "upload.mount":
      // What cannot be mounted is answered by an upload.
      return { operation: response?.status === 202 ? "InitiateLayerUpload" : "MountLayer", readOnly: false };
    case "upload.write":
      return { operation: "UploadLayerPart", readOnly: false };
    case "upload.single":
    case "upload.commit":
      return { operation: "CompleteLayerUpload", readOnly: false };
    case "upload.status":
      return { operation: "DescribeLayerUpload", readOnly: true };
    case "upload.cancel":
      return { operation: "CancelLayerUpload", readOnly: false };
    case "tags":
      return { operation: "ListImages", readOnly: true };
    case "tag.history":
      return { operation: "DescribeImages", readOnly: true };
    case "referrers":
      return { operation: "ListImageReferrers", readOnly: true };
  }
}

/** As ECR's events of replication name it. */
function sourceOf(replicates: Replicates | undefined): Record<string, unknown> {
  return replicates ? { sourceAccount: replicates.from.account, sourceRegion: replicates.from.region } : {};
}

/** Under the names that the operation has for them. */
function parametersOf(asked: OciRequest): Record<string, unknown> {
  switch (asked.kind) {
    case "base":
    case "catalog":
      return {};
    case "blob.read":
      return asked.head
        ? { repositoryName: asked.repository, layerDigests: [asked.digest] }
        : { repositoryName: asked.repository, layerDigest: asked.digest };
    case "blob.delete":
      return { repositoryName: asked.repository, layerDigest: asked.digest };
    case "manifest.read":
    case "manifest.delete":
      return { repositoryName: asked.repository, imageIds: [imageId(asked.reference)] };
    case "manifest.write":
      return { repositoryName: asked.repository, ...imageId(asked.reference), imageTags: listed(asked.tags) };
    case "upload.begin":
      return { repositoryName: asked.repository };
    case "upload.single":
      return { repositoryName: asked.repository, layerDigests: [asked.digest] };
    case "upload.mount":
      return { repositoryName: asked.repository, layerDigest: asked.digest, sourceRepositoryName: asked.from };
    case "upload.write":
    case "upload.status":
    case "upload.cancel":
      return { repositoryName: asked.repository, uploadId: asked.upload };
    case "upload.commit":
      return { repositoryName: asked.repository, uploadId: asked.upload, layerDigests: [asked.digest] };
    case "tags":
      return { repositoryName: asked.repository };
    case "tag.history":
      return { repositoryName: asked.repository, imageIds: [{ imageTag: asked.tag }] };
    case "referrers":
      return { repositoryName: asked.repository, subjectId: { imageDigest: asked.subject } };
  }
}

function outputOf(asked: OciRequest, { status, headers }: Response, { account: registryId }: Registry): unknown {
  switch (asked.kind) {
    case "manifest.write": {
      const imageDigest = headers.get("docker-content-digest");
      const imageTag = "tag" in asked.reference ? asked.reference.tag : undefined;
      return { image: { registryId, repositoryName: asked.repository, imageId: { imageDigest, imageTag } } };
    }
    case "upload.begin":
    case "upload.mount":
      return status === 202 ? { uploadId: headers.get("docker-upload-uuid") } : undefined;
    default:
      return undefined;
  }
}

function imageId(reference: { readonly tag?: string; readonly digest?: string }) {
  return reference.tag === undefined ? { imageDigest: reference.digest } : { imageTag: reference.tag };
}

function listed<Item>(items: readonly Item[]): readonly Item[] | undefined {
  return items.length > 0 ? items : undefined;
}
