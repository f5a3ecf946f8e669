import type { DigestAlgorithm, RepositoryName, Tag, UploadId } from "../domain/names.ts";
import { type Digest, parseDigest, parseRepositoryName, parseTag, parseUploadId } from "../domain/names.ts";
import { OciError } from "./errors.ts";

/**
 * One shape for each endpoint of the OCI distribution specification ("Endpoints"; the end-… number beside it), and the
 * catalog, which clients still use.
 */
export type OciRequest =
  | { kind: "base" } // end-1
  | { kind: "catalog"; page: PageRequest }
  | { kind: "blob.read"; head: boolean; repository: RepositoryName; digest: Digest } // end-2
  | { kind: "blob.delete"; repository: RepositoryName; digest: Digest } // end-10
  | { kind: "manifest.read"; head: boolean; repository: RepositoryName; reference: Reference } // end-3
  | { kind: "manifest.write"; repository: RepositoryName; reference: Reference; tags: Tag[] } // end-7a, end-7b
  | { kind: "manifest.delete"; repository: RepositoryName; reference: Reference } // end-9
  | { kind: "upload.begin"; repository: RepositoryName; algorithm?: DigestAlgorithm } // end-4a
  | { kind: "upload.single"; repository: RepositoryName; digest: Digest } // end-4b
  | { kind: "upload.mount"; repository: RepositoryName; digest: Digest; from?: RepositoryName } // end-11
  | { kind: "upload.write"; repository: RepositoryName; upload: UploadId } // end-5
  | { kind: "upload.commit"; repository: RepositoryName; upload: UploadId; digest: Digest } // end-6
  | { kind: "upload.status"; repository: RepositoryName; upload: UploadId } // end-13
  | { kind: "upload.cancel"; repository: RepositoryName; upload: UploadId } // end-14
  | { kind: "tags"; repository: RepositoryName; page: PageRequest } // end-8a, end-8b
  | { kind: "tag.history"; repository: RepositoryName; tag: Tag; n?: number } // ours: docs/extensions.md
  | { kind: "referrers"; repository: RepositoryName; subject: Digest; artifactType?: string; page: PageRequest }; // end-12a, end-12b

export type Reference = { readonly tag: Tag } | { readonly digest: Digest };

export interface PageRequest {
  /** Entries wanted; `undefined` leaves it to the registry. */
  readonly n?: number;
  readonly last?: string;
}

/** A client may add a handful of tags to a push by digest; ten is what the specification wants served at least. */
const maxPushTags = 100;

/** @throws OciError: this is the only reader of paths and query parameters */
export function parseRequest(method: string, url: URL): OciRequest {
  const path = segments(url.pathname);
  const query = url.searchParams;
  for (const [parameter, value] of query) {
    // No name and no text has it, and PostgreSQL can look for none that has.
    if (value.includes("\0")) {
      throw new OciError(400, "UNSUPPORTED", `The parameter '${clip(parameter)}' has the character U+0000 in it`);
    }
  }
  if (path.length === 0) return only(method, ["GET", "HEAD"], { kind: "base" });
  if (path.length === 1 && path[0] === "_catalog")
    return only(method, ["GET", "HEAD"], { kind: "catalog", page: page(query) });

  const [beforeLast, last] = [path.at(-2), path.at(-1) ?? ""];
  if (beforeLast === "tags" && last === "list") {
    return only(method, ["GET", "HEAD"], { kind: "tags", repository: name(path.slice(0, -2)), page: page(query) });
  }
  if (beforeLast === "manifests") return manifest(method, name(path.slice(0, -2)), last, query);
  if (last === "history" && path.at(-4) === "_berth" && path.at(-3) === "tags") {
    const repository = name(path.slice(0, -4));
    return only(method, ["GET", "HEAD"], {
      kind: "tag.history",
      repository,
      tag: tag(beforeLast ?? ""),
      n: page(query).n,
    });
  }
  if (beforeLast === "referrers") {
    const repository = name(path.slice(0, -2));
    const artifactType = query.get("artifactType") || undefined;
    return only(method, ["GET", "HEAD"], {
      kind: "referrers",
      repository,
      subject: digest(last),
      artifactType,
      page: page(query),
    });
  }
  if (beforeLast === "blobs" && last !== "uploads") return blob(method, name(path.slice(0, -2)), last);
  // `…/blobs/uploads/` ends in an empty segment; clients that drop the slash mean the same.
  const isCollection = (last === "" && path.at(-3) === "blobs" && beforeLast === "uploads") || beforeLast === "blobs";
  if (isCollection) return begin(method, name(path.slice(0, last === "" ? -3 : -2)), query);
  if (path.at(-3) === "blobs" && beforeLast === "uploads") {
    return upload(method, name(path.slice(0, -3)), last, query);
  }
  throw new OciError(404, "UNSUPPORTED", `There is no such endpoint: ${clip(url.pathname)}`);
}

function manifest(method: string, repository: RepositoryName, text: string, query: URLSearchParams): OciRequest {
  const reference: Reference = text.includes(":") ? { digest: digest(text) } : { tag: tag(text) };
  switch (method) {
    case "GET":
    case "HEAD":
      return { kind: "manifest.read", head: method === "HEAD", repository, reference };
    case "PUT": {
      const tags = query.getAll("tag").map(tag);
      if (tags.length > maxPushTags) {
        throw new OciError(414, "TAG_INVALID", `At most ${maxPushTags} tags can be pushed at once`);
      }
      return { kind: "manifest.write", repository, reference, tags };
    }
    case "DELETE":
      return { kind: "manifest.delete", repository, reference };
    default:
      throw notAllowed(method, ["GET", "HEAD", "PUT", "DELETE"]);
  }
}

function blob(method: string, repository: RepositoryName, text: string): OciRequest {
  switch (method) {
    case "GET":
    case "HEAD":
      return { kind: "blob.read", head: method === "HEAD", repository, digest: digest(text) };
    case "DELETE":
      return { kind: "blob.delete", repository, digest: digest(text) };
    default:
      throw notAllowed(method, ["GET", "HEAD", "DELETE"]);
  }
}

function begin(method: string, repository: RepositoryName, query: URLSearchParams): OciRequest {
  if (method !== "POST") throw notAllowed(method, ["POST"]);
  const mount = query.get("mount");
  if (mount !== null) {
    const from = query.get("from");
    const source = from ? { from: name(from.split("/")) } : {};
    return { kind: "upload.mount", repository, digest: digest(mount), ...source };
  }
  const single = query.get("digest");
  if (single !== null) return { kind: "upload.single", repository, digest: digest(single) };
  return { kind: "upload.begin", repository, algorithm: algorithm(query.get("digest-algorithm")) };
}

function upload(method: string, repository: RepositoryName, text: string, query: URLSearchParams): OciRequest {
  const id = parseUploadId(text);
  if (!id) throw new OciError(404, "BLOB_UPLOAD_UNKNOWN", `There is no upload '${clip(text)}'`);
  switch (method) {
    case "PATCH":
      return { kind: "upload.write", repository, upload: id };
    case "PUT": {
      const wanted = query.get("digest");
      if (wanted === null) {
        throw new OciError(
          400,
          "DIGEST_INVALID",
          "The request needs a 'digest' parameter: the digest of the whole blob",
        );
      }
      return { kind: "upload.commit", repository, upload: id, digest: digest(wanted) };
    }
    case "GET":
    case "HEAD":
      return { kind: "upload.status", repository, upload: id };
    case "DELETE":
      return { kind: "upload.cancel", repository, upload: id };
    default:
      throw notAllowed(method, ["PATCH", "PUT", "GET", "HEAD", "DELETE"]);
  }
}

/** What follows `/v2/`, decoded segment by segment. */
function segments(pathname: string): string[] {
  const rest = pathname.replace(/^\/v2\/?/, "");
  if (rest === "") return [];
  try {
    return rest.split("/").map(decodeURIComponent);
  } catch {
    throw new OciError(400, "NAME_INVALID", "The path is not percent-encoded UTF-8");
  }
}

function name(parts: string[]): RepositoryName {
  const text = parts.join("/");
  const parsed = parseRepositoryName(text);
  if (parsed) return parsed;
  throw new OciError(
    400,
    "NAME_INVALID",
    `'${clip(text)}' is not a repository name: 2 to 256 characters, lower-case letters and digits, with single '.', '_', '__', '-' or '/' between them`,
  );
}

function tag(text: string): Tag {
  const parsed = parseTag(text);
  if (parsed) return parsed;
  throw new OciError(
    400,
    "TAG_INVALID",
    `'${clip(text)}' is not a tag: up to 128 letters, digits, '_', '.' and '-', the first not '.' or '-'`,
  );
}

function digest(text: string): Digest {
  const parsed = parseDigest(text);
  if (parsed) return parsed;
  throw new OciError(400, "DIGEST_INVALID", `'${clip(text)}' is not a sha256 or sha512 digest in lower-case hex`);
}

function algorithm(text: string | null): DigestAlgorithm | undefined {
  if (text === null) return undefined;
  if (text === "sha256" || text === "sha512") return text;
  throw new OciError(400, "UNSUPPORTED", `'${clip(text)}' is not a digest algorithm that is supported: sha256, sha512`);
}

function page(query: URLSearchParams): PageRequest {
  const n = query.get("n");
  const last = query.get("last") ?? undefined;
  if (n === null) return { last };
  if (!/^\d{1,9}$/.test(n)) {
    const constraint = "Member must have value greater than or equal to 0";
    const message = `Invalid parameter at 'maxResults' failed to satisfy constraint: '${constraint}'`;
    throw new OciError(400, "PAGINATION_NUMBER_INVALID", message);
  }
  return { n: Number(n), last };
}

function only(method: string, allowed: string[], request: OciRequest): OciRequest {
  if (!allowed.includes(method)) throw notAllowed(method, allowed);
  return request;
}

function notAllowed(method: string, allowed: string[]): OciError {
  return new OciError(405, "UNSUPPORTED", `The method ${method} is not allowed here`, { Allow: allowed.join(", ") });
}

function clip(text: string): string {
  return text.length > 256 ? `${text.slice(0, 256)}…` : text;
}
