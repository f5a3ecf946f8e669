import { Refusal } from "../errors.ts";
import { SourceUnreadable } from "../registry/copy.ts";
import { BlobDamaged } from "../registry/encryption.ts";
import { RemoteFailure } from "../registry/remote-registry.ts";

/** Why an image does not arrive, as DescribeImageReplicationStatus tells it. ECR documents no codes; docs/replication.md lists ours. */
export type FailureCode =
  | "AccessDenied"
  | "KmsError"
  | "ImageInaccessible"
  | "RepositoryNotFound"
  | "LimitExceeded"
  | "Refused"
  | "DestinationUnavailable";

/** It stays as it is until somebody changes something. */
export class ReplicationFailed extends Error {
  override readonly name = "ReplicationFailed";
  constructor(
    readonly code: FailureCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Of an index: some of what it lists does not arrive. */
export class PartsFailed extends ReplicationFailed {
  constructor(
    /** Each once, in order. */
    readonly codes: readonly [FailureCode, ...FailureCode[]],
    message: string,
    options?: ErrorOptions,
  ) {
    super(codes[0], message, options);
  }
}

/** What an error means for a replica; `undefined` for one that may pass. */
export function failureCodeOf(error: unknown): FailureCode | undefined {
  if (error instanceof ReplicationFailed) return error.code;
  if (error instanceof BlobDamaged) return "ImageInaccessible";
  // Its store may be away; that it is damaged is known by its cause.
  if (error instanceof SourceUnreadable) return failureCodeOf(error.cause);
  if (error instanceof RemoteFailure) return ofRemote(error);
  return error instanceof Refusal ? ofRefusal(error) : undefined;
}

function ofRemote({ problem }: RemoteFailure): FailureCode | undefined {
  switch (problem) {
    case "denied":
      return "AccessDenied";
    case "refused":
    case "nonsense":
    case "out-of-bounds":
      return "Refused";
    default:
      return undefined;
  }
}

function ofRefusal(refusal: Refusal): FailureCode | undefined {
  switch (refusal.code) {
    case "AccessDenied":
      return "AccessDenied";
    case "KeyUnusable":
      return "KmsError";
    case "LayerDamaged":
      return "ImageInaccessible";
    case "LimitExceeded":
    case "TooManyTags":
      return "LimitExceeded";
    case "InvalidParameter":
    case "ManifestInvalid":
      return "Refused";
    default:
      return undefined;
  }
}
