import type { Access, Arrival, Granted } from "../domain/access.ts";
import { AuditUnavailable } from "../domain/audit/trail.ts";
import type { PullThroughCache } from "../domain/pull-through/cache.ts";
import type { Rates } from "../domain/rates.ts";
import { type Addresses, layerTokenParameter } from "../domain/registry/addresses.ts";
import type { ImageService } from "../domain/registry/images.ts";
import type { LayerService } from "../domain/registry/layers.ts";
import type { Content } from "../domain/registry/ports.ts";
import type { RepositoryService } from "../domain/registry/repositories.ts";
import type { RepositoryMaking } from "../domain/registry/repository-making.ts";
import { type Authenticator, authenticate, authenticateDownload } from "./authenticate.ts";
import { issueToken, scopeFor, tokenPath } from "./bearer-token.ts";
import { deleteBlob, deleteManifest } from "./delete.ts";
import { type Challenge, type ErrorLog, encodeError, OciError } from "./errors.ts";
import { listCatalog, listReferrers, listTags, readTagHistory } from "./list.ts";
import { operationsOf, permissionsFor } from "./permissions.ts";
import { readBlob, readManifest } from "./pull.ts";
import {
  beginUpload,
  cancelUpload,
  commitUpload,
  mountBlob,
  type PushedManifest,
  pushBlob,
  pushedManifest,
  uploadStatus,
  writeManifest,
  writeUpload,
} from "./push.ts";
import { type Ending, type Recorder, recordRequest, type Story } from "./record.ts";
import { replicaPermissions, sentBy } from "./replica.ts";
import { type OciRequest, parseRequest } from "./request.ts";

/** Everything the data plane needs. Handlers name the parts that they use. */
export interface DataPlane extends Authenticator, Recorder {
  access: Access;
  repositories: RepositoryService;
  layers: LayerService;
  images: ImageService;
  pullThrough: PullThroughCache;
  addresses: Pick<Addresses, "originOf">;
  /** Makes opaque page keys. */
  pageKeys: { seal(purpose: string, value: unknown): string; open(purpose: string, sealed: string): unknown };
  /** Makes the repository that a push needs, where one is to be made. */
  repositoryMaking: RepositoryMaking;
  /** Of a request by which another Berth brings an image. */
  isReplica?: boolean;
  /** Hands content to the socket: only the server knows how. */
  send(content: Content, init: { status: number; headers: Record<string, string> }): Response;
  log: ErrorLog;
  /** Left out: nobody is too fast. */
  rates?: Rates;
}

/** The OCI distribution API, `/v2/…`: the life of a request, from a socket's point of view. */
export function createDataPlane(plane: DataPlane) {
  return async (request: Request, arrival: Arrival): Promise<Response> => {
    const url = new URL(request.url);
    const story: Story = {};
    const record = (ending: Ending) => recordRequest(request, url, story, ending, arrival, plane);
    const refuse = (error: unknown) =>
      encodeError(error, challengeOf(request, url, arrival, plane), arrival.requestId, plane.log);
    let response: Response;
    try {
      if (isAskingForToken(url, plane)) return await issueToken(request, url, arrival, plane);
      const { asked, granted, manifest } = await admit(request, url, arrival, plane, story);
      arrival.note({ operation: asked.kind });
      const handling = story.replicates ? { ...plane, isReplica: true } : plane;
      response = await handle(asked, request, manifest, granted, handling);
      const recorded = record({ response });
      if (recorded) await recorded;
    } catch (error) {
      response = refuse(error);
      // It was done and could not be recorded: there is nothing to try again.
      if (!(error instanceof AuditUnavailable)) {
        await record({ thrown: error })?.catch((failure) => {
          response = refuse(failure);
        });
      }
    }
    response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
    return response;
  };
}

/** What the data plane says while there is no room for another request. It reads no body and asks nobody. */
export async function busyDataPlane(request: Request, { requestId }: Arrival): Promise<Response> {
  const message = "The server is working on as many requests as it can. Wait a moment and try again.";
  const refusal = new OciError(503, "TOOMANYREQUESTS", message, { "Retry-After": "1" });
  const response = encodeError(refusal, { origin: new URL(request.url).origin }, requestId, { error: () => {} });
  response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
  return response;
}

/** Nobody who is not signed in learns anything, not even whether a path makes sense. */
async function admit(request: Request, url: URL, arrival: Arrival, plane: DataPlane, story: Story) {
  const isDownload = url.searchParams.has(layerTokenParameter);
  const authenticated = isDownload
    ? await authenticateDownload(url, arrival, plane)
    : await authenticate(request, url, arrival, plane);
  story.authenticated = authenticated;
  const sent = isDownload ? undefined : await sentBy(request, authenticated, plane);
  story.replicates = sent?.replicates;
  const { caller, registry, narrow } = sent?.authenticated ?? authenticated;
  const asked = await narrow(parseRequest(request.method, url));
  story.asked = asked;
  const manifest = pushedManifest(request, caller);
  const needs = (sent ? replicaPermissions : permissionsFor)(asked, registry, manifest);
  plane.rates?.take(caller.principal, registry.region, operationsOf(asked, needs));
  const granted = await plane.access.grant(caller, registry, needs);
  story.granted = granted;
  return { asked, manifest, granted };
}

function isAskingForToken(url: URL, plane: DataPlane): plane is DataPlane & Required<Pick<DataPlane, "publicAccess">> {
  return plane.publicAccess !== undefined && url.pathname === tokenPath;
}

/** The answer to a request that nobody signed. It repeats what the request says, whatever is there. */
function challengeOf(request: Request, url: URL, { secureTransport }: Arrival, plane: DataPlane): Challenge {
  const origin = plane.addresses.originOf(url.host, secureTransport);
  if (!plane.publicAccess) return { origin };
  const realm = `${origin}${tokenPath}`;
  if (url.pathname === tokenPath) return { origin };
  return { origin, token: { realm, service: url.host, scope: scopeFor(parsedOrNot(request.method, url)) } };
}

function parsedOrNot(method: string, url: URL): OciRequest | undefined {
  try {
    return parseRequest(method, url);
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}

function handle(
  asked: OciRequest,
  request: Request,
  manifest: PushedManifest,
  granted: Granted,
  plane: DataPlane,
): Promise<Response> {
  switch (asked.kind) {
    case "base":
      return Promise.resolve(Response.json({}));
    case "catalog":
      return listCatalog(asked, granted, plane);
    case "blob.read":
      return readBlob(asked, request, granted, plane);
    case "blob.delete":
      return deleteBlob(asked, granted, plane);
    case "manifest.read":
      return readManifest(asked, granted, plane);
    case "manifest.write":
      return writeManifest(asked, manifest, granted, plane);
    case "manifest.delete":
      return deleteManifest(asked, granted, plane);
    case "upload.begin":
      return beginUpload(asked, granted, plane);
    case "upload.single":
      return pushBlob(asked, request, granted, plane);
    case "upload.mount":
      return mountBlob(asked, granted, plane);
    case "upload.write":
      return writeUpload(asked, request, granted, plane);
    case "upload.commit":
      return commitUpload(asked, request, granted, plane);
    case "upload.status":
      return uploadStatus(asked, granted, plane);
    case "upload.cancel":
      return cancelUpload(asked, granted, plane);
    case "tags":
      return listTags(asked, granted, plane);
    case "tag.history":
      return readTagHistory(asked, granted, plane);
    case "referrers":
      return listReferrers(asked, granted, plane);
  }
}

/** The handler's own request shape. */
export type Asked<Kind extends OciRequest["kind"]> = Extract<OciRequest, { kind: Kind }>;
