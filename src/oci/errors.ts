import type { Claimed } from "../domain/audit/happening.ts";
import { Refusal, type RegistryRefusalCode } from "../domain/errors.ts";
import { KeeperFailed } from "../domain/keys/keepers.ts";

/** The specification's codes ("Error Codes"), and three that clients know from ECR and Distribution. */
export type OciCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DENIED"
  | "DIGEST_INVALID"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "SIZE_INVALID"
  | "TOOMANYREQUESTS"
  | "UNAUTHORIZED"
  | "UNSUPPORTED"
  | "PAGINATION_NUMBER_INVALID"
  | "TAG_INVALID"
  | "UNKNOWN";

/** An error of the protocol itself, before the domain is asked. */
export class OciError extends Error {
  override readonly name = "OciError";
  constructor(
    readonly status: number,
    readonly code: OciCode,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

/** Nobody is signed in, or by a token that is too old or for something else. */
export class NotAuthenticated extends Error {
  override readonly name = "NotAuthenticated";
  readonly reason?: "invalid_token" | "insufficient_scope";
  /** The key that was named, for the audit trail. */
  readonly claimed?: Claimed;
  constructor(details: Pick<NotAuthenticated, "reason" | "claimed"> = {}) {
    super("Not Authorized");
    this.reason = details.reason;
    this.claimed = details.claimed;
  }
}

/** Every meaning that the domain can refuse with, as this surface spells it. */
export const wire = {
  RepositoryNotFound: [404, "NAME_UNKNOWN"],
  RepositoryAlreadyExists: [409, "NAME_INVALID"],
  RepositoryNotEmpty: [409, "UNSUPPORTED"],
  RepositoryHeld: [409, "UNSUPPORTED"],
  RepositoryProtected: [409, "UNSUPPORTED"],
  RepositoryPolicyNotFound: [404, "UNSUPPORTED"],
  LifecyclePolicyNotFound: [404, "UNSUPPORTED"],
  LifecyclePreviewNotFound: [404, "UNSUPPORTED"],
  LifecyclePreviewInProgress: [409, "UNSUPPORTED"],
  RegistryPolicyNotFound: [404, "UNSUPPORTED"],
  InvalidTag: [400, "UNSUPPORTED"],
  TooManyTags: [400, "UNSUPPORTED"],
  InvalidParameter: [400, "UNSUPPORTED"],
  Validation: [400, "UNSUPPORTED"],
  LimitExceeded: [403, "DENIED"],
  RateExceeded: [429, "TOOMANYREQUESTS"],
  ImageNotFound: [404, "MANIFEST_UNKNOWN"],
  ImageAlreadyExists: [409, "MANIFEST_INVALID"],
  ImageTagImmutable: [400, "TAG_INVALID"],
  TagHeld: [400, "TAG_INVALID"],
  ImageHeld: [405, "UNSUPPORTED"],
  HoldNotFound: [404, "UNSUPPORTED"],
  NotDeleted: [404, "UNSUPPORTED"],
  RetentionNotFound: [404, "UNSUPPORTED"],
  ImageDigestMismatch: [400, "DIGEST_INVALID"],
  StorageClassNotSupported: [405, "UNSUPPORTED"],
  ScanNotFound: [404, "UNSUPPORTED"],
  ImageTypeNotScannable: [405, "UNSUPPORTED"],
  ImageArchived: [405, "UNSUPPORTED"],
  SigningConfigurationNotFound: [404, "UNSUPPORTED"],
  ReplicationBackfillNotFound: [404, "UNSUPPORTED"],
  ReplicationBackfillInProgress: [409, "UNSUPPORTED"],
  ReplicationBackfillInvalidStatus: [409, "UNSUPPORTED"],
  ExclusionAlreadyExists: [409, "UNSUPPORTED"],
  ExclusionNotFound: [404, "UNSUPPORTED"],
  TemplateAlreadyExists: [409, "UNSUPPORTED"],
  TemplateNotFound: [404, "UNSUPPORTED"],
  ImageReferenced: [405, "UNSUPPORTED"],
  ManifestInvalid: [400, "MANIFEST_INVALID"],
  ManifestTooLarge: [413, "SIZE_INVALID"],
  ReferencedImagesNotFound: [404, "MANIFEST_BLOB_UNKNOWN"],
  LayersNotFound: [404, "MANIFEST_BLOB_UNKNOWN"],
  LayerNotFound: [404, "BLOB_UNKNOWN"],
  LayerInaccessible: [404, "BLOB_UNKNOWN"],
  LayerDamaged: [404, "BLOB_UNKNOWN"],
  KeyUnusable: [403, "DENIED"],
  UpstreamAccessDenied: [403, "DENIED"],
  UpstreamTooManyRequests: [429, "TOOMANYREQUESTS"],
  UpstreamUnavailable: [502, "UNKNOWN"],
  UnableToGetUpstreamImage: [502, "UNKNOWN"],
  UnableToGetUpstreamLayer: [502, "UNKNOWN"],
  UnableToListUpstreamImageReferrers: [502, "UNKNOWN"],
  LayerReferenced: [405, "UNSUPPORTED"],
  LayerKept: [405, "UNSUPPORTED"],
  LayerAlreadyExists: [409, "BLOB_UPLOAD_INVALID"],
  LayerDigestMismatch: [400, "DIGEST_INVALID"],
  LayerPartTooSmall: [400, "SIZE_INVALID"],
  LayerTooLarge: [413, "SIZE_INVALID"],
  UploadNotFound: [404, "BLOB_UPLOAD_UNKNOWN"],
  TooManyUploads: [429, "TOOMANYREQUESTS"],
  UploadEmpty: [400, "BLOB_UPLOAD_INVALID"],
  UploadBusy: [409, "BLOB_UPLOAD_INVALID"],
  UploadOutOfOrder: [416, "BLOB_UPLOAD_INVALID"],
  UploadSizeMismatch: [400, "SIZE_INVALID"],
  UploadInterrupted: [400, "BLOB_UPLOAD_INVALID"],
  StorageFull: [507, "UNKNOWN"],
  AccessDenied: [403, "DENIED"],
} satisfies Record<RegistryRefusalCode, [status: number, code: OciCode]>;

export interface ErrorLog {
  error(facts: { requestId: string; error: unknown }, message: string): void;
}

/** What whoever is not signed in is told to do. */
export interface Challenge {
  /** Scheme and host as the client knows them. */
  readonly origin: string;
  /** Where tokens are to be had, and what for. Left out: clients sign in with a password only. */
  readonly token?: { readonly realm: string; readonly service: string; readonly scope?: string };
}

/** The only writer of errors. */
export function encodeError(error: unknown, challenge: Challenge, requestId: string, log: ErrorLog): Response {
  if (error instanceof NotAuthenticated) return notAuthenticated(error, challenge);
  if (error instanceof OciError) return body(error.status, error.code, error.message, error.headers);
  if (error instanceof Refusal && Object.hasOwn(wire, error.code)) {
    const [status, code] = wire[error.code as RegistryRefusalCode];
    return body(status, code, sentence(error), retryAfter(error));
  }
  log.error({ requestId, error }, "a registry request failed");
  // Clients come again after it, as after any 5xx; whoever reads it knows that it is not the image.
  if (isKeeperAway(error)) return body(503, "UNKNOWN", keeperAway, { "Retry-After": "5" });
  return body(500, "UNKNOWN", unforeseen, {});
}

/**
 * ECR answers with a Basic challenge and plain text (ECR user guide, "Registry authentication"); what has tokens, with the
 * challenge of the token specification.
 */
function notAuthenticated({ reason }: NotAuthenticated, { origin, token }: Challenge): Response {
  if (!token) {
    return new Response("Not Authorized\n", {
      status: 401,
      headers: {
        "WWW-Authenticate": `Basic realm="${origin}/",service="ecr.amazonaws.com"`,
        "Content-Type": "text/plain; charset=utf-8",
      },
    });
  }
  const parameters = Object.entries({ ...token, error: reason }).filter(([, value]) => value !== undefined);
  const bearer = parameters.map(([name, value]) => `${name}="${value}"`).join(",");
  return body(401, "UNAUTHORIZED", "Authentication is required", { "WWW-Authenticate": `Bearer ${bearer}` });
}

const unforeseen = "The request failed because of an error on the server's side";
const keeperAway =
  "The service that holds the server's master key does not answer, and the content cannot be opened without";

function isKeeperAway(error: unknown): boolean {
  return error instanceof KeeperFailed && error.isPassing;
}

/** What the client is told, for the audit trail. */
export function codeOf(error: unknown): { code: OciCode; message: string } {
  if (error instanceof NotAuthenticated) return { code: "UNAUTHORIZED", message: error.message };
  if (error instanceof OciError) return { code: error.code, message: error.message };
  if (error instanceof Refusal && Object.hasOwn(wire, error.code)) {
    return { code: wire[error.code as RegistryRefusalCode][1], message: sentence(error) };
  }
  return { code: "UNKNOWN", message: isKeeperAway(error) ? keeperAway : unforeseen };
}

/** Over HTTP, ECR words a missing image as in a batch (captured traffic); all other sentences are the API's. */
function sentence(refusal: Refusal): string {
  return refusal.is("ImageNotFound") ? "Requested image not found" : refusal.message;
}

function retryAfter(refusal: Refusal): Record<string, string> {
  const waits = refusal.is("RateExceeded") || refusal.is("UpstreamTooManyRequests");
  return waits ? { "Retry-After": String(Math.ceil(refusal.facts.retryAfterMs / 1000)) } : {};
}

function body(status: number, code: OciCode, message: string, headers: Record<string, string>): Response {
  return Response.json({ errors: [{ code, message }] }, { status, headers });
}
