import { describe, expect, test } from "bun:test";
import { OciError } from "./errors.ts";
import { parseRequest } from "./request.ts";

const d256 = `sha256:${"a".repeat(64)}`;
const d512 = `sha512:${"b".repeat(128)}`;
const id = "8e6d0000-0000-4000-8000-000000000000";
const parse = (method: string, path: string) => parseRequest(method, new URL(path, "http://registry.test")) as object;

describe("every endpoint", () => {
  test.each([
    ["GET", "/v2/", { kind: "base" }],
    ["GET", "/v2", { kind: "base" }],
    ["GET", "/v2/_catalog?n=5&last=ab", { kind: "catalog", page: { n: 5, last: "ab" } }],
    ["GET", `/v2/a/b/c/blobs/${d256}`, { kind: "blob.read", head: false, repository: "a/b/c", digest: d256 }],
    ["HEAD", `/v2/ab/blobs/${d512}`, { kind: "blob.read", head: true, repository: "ab", digest: d512 }],
    [
      "GET",
      `/v2/ab/blobs/${encodeURIComponent(d256)}`,
      { kind: "blob.read", head: false, repository: "ab", digest: d256 },
    ],
    ["DELETE", `/v2/ab/blobs/${d256}`, { kind: "blob.delete", repository: "ab", digest: d256 }],
    ["GET", "/v2/ab/manifests/v1", { kind: "manifest.read", head: false, repository: "ab", reference: { tag: "v1" } }],
    [
      "HEAD",
      `/v2/ab/manifests/${d256}`,
      { kind: "manifest.read", head: true, repository: "ab", reference: { digest: d256 } },
    ],
    ["PUT", "/v2/ab/manifests/v1", { kind: "manifest.write", repository: "ab", reference: { tag: "v1" }, tags: [] }],
    [
      "PUT",
      `/v2/ab/manifests/${d256}?tag=x&tag=y`,
      { kind: "manifest.write", repository: "ab", reference: { digest: d256 }, tags: ["x", "y"] },
    ],
    ["DELETE", "/v2/ab/manifests/v1", { kind: "manifest.delete", repository: "ab", reference: { tag: "v1" } }],
    ["POST", "/v2/ab/blobs/uploads/", { kind: "upload.begin", repository: "ab" }],
    ["POST", "/v2/ab/blobs/uploads", { kind: "upload.begin", repository: "ab" }],
    [
      "POST",
      "/v2/ab/blobs/uploads/?digest-algorithm=sha512",
      { kind: "upload.begin", repository: "ab", algorithm: "sha512" },
    ],
    ["POST", `/v2/ab/blobs/uploads/?digest=${d256}`, { kind: "upload.single", repository: "ab", digest: d256 }],
    ["POST", `/v2/ab/blobs/uploads/?mount=${d256}`, { kind: "upload.mount", repository: "ab", digest: d256 }],
    [
      "POST",
      `/v2/ab/blobs/uploads/?mount=${d256}&from=c/d`,
      { kind: "upload.mount", repository: "ab", digest: d256, from: "c/d" },
    ],
    ["PATCH", `/v2/ab/blobs/uploads/${id}`, { kind: "upload.write", repository: "ab", upload: id }],
    [
      "PUT",
      `/v2/ab/blobs/uploads/${id}?digest=${d512}`,
      { kind: "upload.commit", repository: "ab", upload: id, digest: d512 },
    ],
    ["GET", `/v2/ab/blobs/uploads/${id}`, { kind: "upload.status", repository: "ab", upload: id }],
    ["DELETE", `/v2/ab/blobs/uploads/${id}`, { kind: "upload.cancel", repository: "ab", upload: id }],
    ["GET", "/v2/a/b/_berth/tags/v1/history?n=3", { kind: "tag.history", repository: "a/b", tag: "v1", n: 3 }],
    ["GET", "/v2/ab/tags/list?n=0", { kind: "tags", repository: "ab", page: { n: 0 } }],
    [
      "GET",
      `/v2/ab/referrers/${d256}?artifactType=a/b`,
      { kind: "referrers", repository: "ab", subject: d256, artifactType: "a/b", page: {} },
    ],
  ])("%s %s", (method, path, expected) => {
    expect(parse(method, path)).toEqual(expected);
  });
});

test("names may contain the words of the grammar", () => {
  expect(parse("GET", "/v2/manifests/manifests/manifests/v1")).toMatchObject({ repository: "manifests/manifests" });
  expect(parse("GET", "/v2/tags/list/tags/list")).toMatchObject({ kind: "tags", repository: "tags/list" });
  expect(parse("GET", `/v2/blobs/uploads/blobs/${d256}`)).toMatchObject({
    kind: "blob.read",
    repository: "blobs/uploads",
  });
  expect(parse("POST", "/v2/blobs/uploads/blobs/uploads/")).toMatchObject({
    kind: "upload.begin",
    repository: "blobs/uploads",
  });
});

describe("what is refused", () => {
  test.each([
    ["GET", "/v2/nowhere", 404, "UNSUPPORTED"],
    ["GET", "/v2/ab/unknown/x", 404, "UNSUPPORTED"],
    ["POST", "/v2/", 405, "UNSUPPORTED"],
    ["PUT", "/v2/_catalog", 405, "UNSUPPORTED"],
    ["POST", "/v2/ab/manifests/v1", 405, "UNSUPPORTED"],
    ["PUT", `/v2/ab/blobs/${d256}`, 405, "UNSUPPORTED"],
    ["GET", "/v2/ab/blobs/uploads/", 405, "UNSUPPORTED"],
    ["GET", "/v2/A/manifests/v1", 400, "NAME_INVALID"],
    ["GET", "/v2/%2e%2e/manifests/v1", 400, "NAME_INVALID"],
    ["GET", "/v2/a%2f..%2fb/manifests/v1", 400, "NAME_INVALID"],
    ["GET", "/v2/%ff/manifests/v1", 400, "NAME_INVALID"],
    ["GET", "/v2/ab/manifests/.x", 400, "TAG_INVALID"],
    ["GET", `/v2/ab/manifests/${"x".repeat(129)}`, 400, "TAG_INVALID"],
    ["GET", "/v2/ab/manifests/sha256:zz", 400, "DIGEST_INVALID"],
    ["GET", "/v2/ab/manifests/md5:00", 400, "DIGEST_INVALID"],
    ["GET", "/v2/ab/blobs/latest", 400, "DIGEST_INVALID"],
    ["PUT", `/v2/ab/blobs/uploads/${id}`, 400, "DIGEST_INVALID"],
    ["PUT", `/v2/ab/blobs/uploads/${id}?digest=x`, 400, "DIGEST_INVALID"],
    ["PATCH", "/v2/ab/blobs/uploads/nonsense", 404, "BLOB_UPLOAD_UNKNOWN"],
    ["POST", "/v2/ab/blobs/uploads/?mount=x", 400, "DIGEST_INVALID"],
    ["POST", `/v2/ab/blobs/uploads/?mount=${d256}&from=A`, 400, "NAME_INVALID"],
    ["POST", "/v2/ab/blobs/uploads/?digest=", 400, "DIGEST_INVALID"],
    ["POST", "/v2/ab/blobs/uploads/?digest-algorithm=md5", 400, "UNSUPPORTED"],
    ["GET", "/v2/ab/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"],
    ["GET", "/v2/ab/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID"],
    ["GET", "/v2/ab/referrers/latest", 400, "DIGEST_INVALID"],
  ])("%s %s: %p %s", (method, path, status, code) => {
    try {
      parse(method, path);
      throw new Error("not refused");
    } catch (error) {
      expect(error).toBeInstanceOf(OciError);
      expect(error).toMatchObject({ status, code });
    }
  });
});
