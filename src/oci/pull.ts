import type { Granted } from "../domain/access.ts";
import type { ByteRange } from "../domain/registry/ports.ts";
import { OciError } from "./errors.ts";
import type { Asked, DataPlane } from "./index.ts";

/** GET and HEAD …/manifests/<reference>. The stored bytes, whatever `Accept` says: every client takes what was pushed. */
export async function readManifest(
  { repository, reference, head }: Asked<"manifest.read">,
  granted: Granted,
  { images, pullThrough }: Pick<DataPlane, "images" | "pullThrough">,
): Promise<Response> {
  const find = head ? images.peek : images.get;
  const { digest, mediaType, manifest } = await pullThrough.manifest(granted, repository, reference, (granted) =>
    find(granted, repository, reference),
  );
  return new Response(head ? null : manifest, {
    headers: {
      "Content-Type": mediaType,
      "Content-Length": String(manifest.length),
      "Docker-Content-Digest": digest,
      ETag: `"${digest}"`,
    },
  });
}

/** GET and HEAD …/blobs/<digest>, whole or one range (RFC 9110, section 14). */
export async function readBlob(
  { repository, digest, head }: Asked<"blob.read">,
  request: Request,
  granted: Granted,
  { layers, pullThrough, send }: Pick<DataPlane, "layers" | "pullThrough" | "send">,
): Promise<Response> {
  const etag = `"${digest}"`;
  const headersOf = ({ mediaType }: { mediaType?: string }): Record<string, string> => ({
    "Content-Type": mediaType ?? "application/octet-stream",
    "Docker-Content-Digest": digest,
    "Accept-Ranges": "bytes",
    ETag: etag,
  });
  if (head) {
    const layer = await pullThrough.statLayer(granted, repository, digest, () =>
      layers.stat(granted, repository, digest),
    );
    return new Response(null, { headers: { ...headersOf(layer), "Content-Length": String(layer.sizeBytes) } });
  }
  const rangeOf = (sizeBytes: number) => parseRange(request.headers, etag, sizeBytes);
  const { layer, range, content } = await pullThrough.layer(granted, repository, digest, rangeOf, () =>
    layers.read(granted, repository, digest, rangeOf),
  );
  const headers = headersOf(layer);
  if (!range) return send(content, { status: 200, headers });
  headers["Content-Range"] = `bytes ${range.first}-${range.last}/${layer.sizeBytes}`;
  return send(content, { status: 206, headers });
}

/**
 * The range that a client wants, or `undefined` for all of it: without a Range header, with one that makes no sense, or
 * with several ranges, which a server may answer whole.
 * @throws OciError 416 when nothing of the blob lies in the range
 */
export function parseRange(headers: Headers, etag: string, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.get("range")?.replaceAll(" ", "") ?? "");
  const onlyIf = headers.get("if-range");
  if (!match || (onlyIf !== null && onlyIf !== etag)) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  const range =
    first === ""
      ? { first: Math.max(0, sizeBytes - Number(last)), last: sizeBytes - 1 }
      : { first: Number(first), last: Math.min(last === "" ? Infinity : Number(last), sizeBytes - 1) };
  if (range.first > range.last) {
    const contentRange = { "Content-Range": `bytes */${sizeBytes}` };
    throw new OciError(416, "SIZE_INVALID", `The range lies outside of the blob's ${sizeBytes} bytes`, contentRange);
  }
  return range;
}
