import type { Caller, Granted } from "../domain/access.ts";
import { Refusal } from "../domain/errors.ts";
import { type Digest, type RepositoryName, repositoryArn } from "../domain/names.ts";
import type { NewManifest, PutManifest } from "../domain/registry/images.ts";
import { maxManifestBytes } from "../domain/registry/manifests.ts";
import type { Bytes, Upload } from "../domain/registry/ports.ts";
import { OciError } from "./errors.ts";
import type { Asked, DataPlane } from "./index.ts";
import { recordCreation } from "./record.ts";

/** POST …/blobs/uploads/: begins an upload. */
export async function beginUpload(
  { repository, algorithm }: Asked<"upload.begin">,
  granted: Granted,
  plane: DataPlane,
): Promise<Response> {
  return intoRepository(repository, granted, plane, async (granted) => {
    const upload = await plane.layers.begin(granted, repository, algorithm);
    return new Response(null, { status: 202, headers: uploadHeaders(repository, upload) });
  });
}

/** POST …/blobs/uploads/?digest=: a whole blob in one request. */
export async function pushBlob(
  { repository, digest }: Asked<"upload.single">,
  request: Request,
  granted: Granted,
  plane: DataPlane,
): Promise<Response> {
  let isBegun = false;
  const push = async (granted: Granted) => {
    const bytes = bodyOf(request, granted.caller, () => {
      isBegun = true;
    });
    await plane.layers.push(granted, repository, digest, bytes);
    return blobCreated(repository, digest);
  };
  // A repository that is missing later than that was deleted meanwhile, and the bytes are gone.
  return intoRepository(repository, granted, plane, push, () => !isBegun);
}

/** POST …/blobs/uploads/?mount=: takes a blob over from another repository, else begins an upload. */
export async function mountBlob(
  { repository, digest, from }: Asked<"upload.mount">,
  granted: Granted,
  plane: DataPlane,
): Promise<Response> {
  const { caller, registry } = granted;
  const action = plane.isReplica ? "ecr:ReplicateImage" : "ecr:GetDownloadUrlForLayer";
  const mayRead = (name: RepositoryName) =>
    plane.access.allows(caller, registry, { action, resource: repositoryArn(registry, name) });
  return intoRepository(repository, granted, plane, async (granted) => {
    const mounted = await plane.layers.mount(granted, repository, digest, {
      from,
      mayRead,
      isReplica: plane.isReplica,
    });
    if (mounted) return blobCreated(repository, digest);
    return beginUpload({ kind: "upload.begin", repository }, granted, plane);
  });
}

/** PATCH …/blobs/uploads/<id>: a chunk, or a stream of unknown length. */
export async function writeUpload(
  { repository, upload: id }: Asked<"upload.write">,
  request: Request,
  granted: Granted,
  { layers }: Pick<DataPlane, "layers">,
): Promise<Response> {
  const range = contentRange(request.headers);
  const options = { offset: range?.first, sizeBytes: range && range.last - range.first + 1 };
  try {
    const upload = await layers.append(granted, repository, id, bodyOf(request, granted.caller), options);
    return new Response(null, { status: 202, headers: uploadHeaders(repository, upload) });
  } catch (error) {
    throw await withPosition(error, granted, repository, id, layers);
  }
}

/** PUT …/blobs/uploads/<id>?digest=: the last chunk, if any, and the end of the upload. */
export async function commitUpload(
  { repository, upload: id, digest }: Asked<"upload.commit">,
  request: Request,
  granted: Granted,
  { layers }: Pick<DataPlane, "layers">,
): Promise<Response> {
  const bytes = hasBody(request) ? bodyOf(request, granted.caller) : undefined;
  try {
    await layers.complete(granted, repository, id, [digest], { bytes, offset: contentRange(request.headers)?.first });
  } catch (error) {
    throw await withPosition(error, granted, repository, id, layers);
  }
  return blobCreated(repository, digest);
}

/** GET …/blobs/uploads/<id>: how much has arrived. */
export async function uploadStatus(
  { repository, upload }: Asked<"upload.status">,
  granted: Granted,
  { layers }: Pick<DataPlane, "layers">,
): Promise<Response> {
  const headers = uploadHeaders(repository, await layers.status(granted, repository, upload));
  return new Response(null, { status: 204, headers });
}

/** DELETE …/blobs/uploads/<id>. */
export async function cancelUpload(
  { repository, upload }: Asked<"upload.cancel">,
  granted: Granted,
  { layers }: Pick<DataPlane, "layers">,
): Promise<Response> {
  await layers.cancel(granted, repository, upload);
  return new Response(null, { status: 204 });
}

/** The body of a push of a manifest. It is read once, when somebody wants it: usually after the permission is given. */
export interface PushedManifest {
  readonly mediaType?: string;
  /** @throws OciError 413 */
  bytes(): Promise<Uint8Array>;
}

export function pushedManifest(request: Request, caller: Caller): PushedManifest {
  let read: Promise<Uint8Array> | undefined;
  return {
    mediaType: request.headers.get("content-type") ?? undefined,
    bytes() {
      read ??= readWhole(request, caller, maxManifestBytes);
      return read;
    },
  };
}

/** PUT …/manifests/<reference>, where a push by digest can bring tags along as `?tag=`. */
export async function writeManifest(
  { repository, reference, tags }: Asked<"manifest.write">,
  { mediaType, bytes }: PushedManifest,
  granted: Granted,
  plane: DataPlane,
): Promise<Response> {
  return intoRepository(repository, granted, plane, async (granted) => {
    const image: NewManifest = {
      manifest: await bytes(),
      mediaType,
      digest: "digest" in reference ? reference.digest : undefined,
      tags: "tag" in reference ? [reference.tag, ...tags] : tags,
    };
    const put = plane.isReplica
      ? await putReplica(plane.images, granted, repository, image)
      : await plane.images.put(granted, repository, image);
    const headers = new Headers({
      Location: `/v2/${repository}/manifests/${put.digest}`,
      "Docker-Content-Digest": put.digest,
    });
    if (put.subject) headers.set("OCI-Subject", put.subject);
    for (const tag of tags) headers.append("OCI-Tag", tag);
    return new Response(null, { status: 201, headers });
  });
}

/** A replica arrives without the tags that may not be moved. */
async function putReplica(
  images: DataPlane["images"],
  granted: Granted,
  repository: RepositoryName,
  image: NewManifest,
): Promise<PutManifest> {
  const bare: NewManifest = { ...image, tags: [], isReplica: true };
  const put = await images.put(granted, repository, bare);
  for (const tag of image.tags) {
    try {
      await images.put(granted, repository, { ...bare, tags: [tag] });
    } catch (error) {
      if (!(error instanceof Refusal && (error.is("ImageTagImmutable") || error.is("TagHeld")))) throw error;
    }
  }
  return put;
}

/**
 * A push into a repository that is not there makes it, where a creation template or the server's settings say so, and is
 * tried again. What is there costs nothing. The grant is asked for anew: the repository may have a policy and tags now.
 */
async function intoRepository(
  name: RepositoryName,
  granted: Granted,
  plane: DataPlane,
  push: (granted: Granted) => Promise<Response>,
  isRepeatable = () => true,
): Promise<Response> {
  try {
    return await push(granted);
  } catch (error) {
    if (!(error instanceof Refusal && error.is("RepositoryNotFound") && isRepeatable())) throw error;
    const { caller, registry, needs } = granted;
    const cause = plane.isReplica ? "REPLICATION" : "CREATE_ON_PUSH";
    const ensured = await plane.repositoryMaking.ensure(caller, registry, name, cause);
    if (!ensured) throw error;
    if (ensured.made) await recordCreation(name, ensured.made, plane);
    return push(await plane.access.grant(caller, registry, needs));
  }
}

function blobCreated(repository: RepositoryName, digest: Digest): Response {
  const headers = { Location: `/v2/${repository}/blobs/${digest}`, "Docker-Content-Digest": digest };
  return new Response(null, { status: 201, headers });
}

function uploadHeaders(repository: RepositoryName, { id, staged }: Pick<Upload, "id" | "staged">) {
  return {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    "Docker-Upload-UUID": id,
    // `0-0` also stands for nothing at all: the specification has no other way to say so.
    Range: `0-${Math.max(0, staged.sizeBytes - 1)}`,
  };
}

/** A chunk that came out of order is told where the upload stands, so that the client can go on from there. */
async function withPosition(
  error: unknown,
  granted: Granted,
  repository: RepositoryName,
  id: Upload["id"],
  layers: DataPlane["layers"],
): Promise<unknown> {
  if (!(error instanceof Refusal && error.is("UploadOutOfOrder"))) return error;
  const upload = await layers.status(granted, repository, id);
  return new OciError(416, "BLOB_UPLOAD_INVALID", error.message, uploadHeaders(repository, upload));
}

/**
 * The specification writes `<start>-<end>`; some clients send RFC 9110's `bytes <start>-<end>/<size>`.
 * @throws OciError for a header that is neither
 */
function contentRange(headers: Headers): { first: number; last: number } | undefined {
  const text = headers.get("content-range");
  if (text === null) return undefined;
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(text.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || last < first) {
    throw new OciError(416, "BLOB_UPLOAD_INVALID", "The Content-Range header must have the form <start>-<end>");
  }
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== last - first + 1) {
    const message = `Content-Length is ${length}, but Content-Range has ${last - first + 1} bytes`;
    throw new OciError(400, "SIZE_INVALID", message);
  }
  return { first, last };
}

function hasBody({ headers, body }: Request): boolean {
  return body !== null && headers.get("content-length") !== "0";
}

async function* bodyOf({ body }: Request, { paced }: Pick<Caller, "paced">, begun = () => {}): Bytes {
  begun();
  if (!body) return;
  const bytes = body as unknown as Bytes;
  yield* paced ? paced(bytes) : bytes;
}

/** @throws OciError 413 as soon as the limit is passed */
async function readWhole(request: Request, caller: Caller, limitBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new OciError(413, "SIZE_INVALID", `The manifest is larger than ${limitBytes} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > limitBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of bodyOf(request, caller)) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}
