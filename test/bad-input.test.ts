import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CreateRepositoryCommand, GetAuthorizationTokenCommand } from "@aws-sdk/client-ecr";
import { basic, digestOf, host, type InProcess, inProcess, keyPair, mediaTypes } from "./support/berth.ts";

/** What comes of bad input at the registry, each with its exact answer. */

let berth: InProcess;
let token: string;
beforeAll(async () => {
  berth = await inProcess();
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
  await berth.pushImage("app", "v1", "content");
  const { authorizationData } = await berth.ecr().send(new GetAuthorizationTokenCommand({}));
  token = Buffer.from(authorizationData?.[0]?.authorizationToken ?? "", "base64")
    .toString()
    .slice(4);
});
afterAll(() => berth.close());

const d = `sha256:${"a".repeat(64)}`;
const id = "8e6d0000-0000-4000-8000-000000000000";
const nameRule =
  "is not a repository name: 2 to 256 characters, lower-case letters and digits, with single '.', '_', '__', '-' or '/' between them";
const tagRule = "is not a tag: up to 128 letters, digits, '_', '.' and '-', the first not '.' or '-'";
const digestRule = "is not a sha256 or sha512 digest in lower-case hex";
const noRepository = (name: string) =>
  `The repository with name '${name}' does not exist in the registry with id '000000000000'`;
const noLayer = (digest: string) =>
  `The layer with digest '${digest}' does not exist within the repository with name 'app' in the registry with id '000000000000'`;
const noUpload = `The upload '${id}' could not be found, or the specified upload ID is not valid for the repository with name 'app'`;

type Case = [method: string, path: string, status: number, code: string, message: string];

describe("paths and parameters", () => {
  test.each<Case>([
    ["GET", "/v2/nowhere", 404, "UNSUPPORTED", "There is no such endpoint: /v2/nowhere"],
    ["GET", "/v2/app/nothing/x", 404, "UNSUPPORTED", "There is no such endpoint: /v2/app/nothing/x"],
    ["DELETE", "/v2/", 405, "UNSUPPORTED", "The method DELETE is not allowed here"],
    ["POST", "/v2/app/manifests/v1", 405, "UNSUPPORTED", "The method POST is not allowed here"],
    ["PUT", "/v2/app/tags/list", 405, "UNSUPPORTED", "The method PUT is not allowed here"],
    ["GET", "/v2/App/manifests/v1", 400, "NAME_INVALID", `'App' ${nameRule}`],
    ["GET", "/v2/a/manifests/v1", 400, "NAME_INVALID", `'a' ${nameRule}`],
    ["GET", "/v2/app//x/manifests/v1", 400, "NAME_INVALID", `'app//x' ${nameRule}`],
    ["GET", "/v2/a..b/manifests/v1", 400, "NAME_INVALID", `'a..b' ${nameRule}`],
    ["GET", "/v2/a___b/manifests/v1", 400, "NAME_INVALID", `'a___b' ${nameRule}`],
    ["GET", "/v2/-ab/manifests/v1", 400, "NAME_INVALID", `'-ab' ${nameRule}`],
    ["GET", "/v2/a%2F..%2F..%2Fb/manifests/v1", 400, "NAME_INVALID", `'a/../../b' ${nameRule}`],
    ["GET", `/v2/${"x".repeat(257)}/manifests/v1`, 400, "NAME_INVALID", `'${"x".repeat(256)}…' ${nameRule}`],
    ["GET", "/v2/%ff%fe/manifests/v1", 400, "NAME_INVALID", "The path is not percent-encoded UTF-8"],
    ["GET", "/v2/app/manifests/.hidden", 400, "TAG_INVALID", `'.hidden' ${tagRule}`],
    ["GET", "/v2/app/manifests/a%20b", 400, "TAG_INVALID", `'a b' ${tagRule}`],
    ["GET", `/v2/app/manifests/${"x".repeat(129)}`, 400, "TAG_INVALID", `'${"x".repeat(129)}' ${tagRule}`],
    ["GET", "/v2/app/manifests/sha256:short", 400, "DIGEST_INVALID", `'sha256:short' ${digestRule}`],
    ["GET", `/v2/app/manifests/md5:${"0".repeat(32)}`, 400, "DIGEST_INVALID", `'md5:${"0".repeat(32)}' ${digestRule}`],
    ["GET", `/v2/app/blobs/${d.toUpperCase()}`, 400, "DIGEST_INVALID", `'${d.toUpperCase()}' ${digestRule}`],
    ["GET", "/v2/app/blobs/..%2f..%2fetc%2fpasswd", 400, "DIGEST_INVALID", `'../../etc/passwd' ${digestRule}`],
    ["HEAD", "/v2/app/blobs/latest", 400, "", ""],
    ["GET", "/v2/app/referrers/v1", 400, "DIGEST_INVALID", `'v1' ${digestRule}`],
    ["POST", "/v2/app/blobs/uploads/?digest=x", 400, "DIGEST_INVALID", `'x' ${digestRule}`],
    ["POST", "/v2/app/blobs/uploads/?mount=x&from=app", 400, "DIGEST_INVALID", `'x' ${digestRule}`],
    ["POST", `/v2/app/blobs/uploads/?mount=${d}&from=UP`, 400, "NAME_INVALID", `'UP' ${nameRule}`],
    [
      "POST",
      "/v2/app/blobs/uploads/?digest-algorithm=md5",
      400,
      "UNSUPPORTED",
      "'md5' is not a digest algorithm that is supported: sha256, sha512",
    ],
    [
      "PUT",
      `/v2/app/blobs/uploads/${id}`,
      400,
      "DIGEST_INVALID",
      "The request needs a 'digest' parameter: the digest of the whole blob",
    ],
    ["PATCH", "/v2/app/blobs/uploads/..%2fx", 404, "BLOB_UPLOAD_UNKNOWN", "There is no upload '../x'"],
    [
      "GET",
      "/v2/app/tags/list?n=many",
      400,
      "PAGINATION_NUMBER_INVALID",
      "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value greater than or equal to 0'",
    ],
    ["GET", "/v2/app/tags/list?last=a%00", 400, "UNSUPPORTED", "The parameter 'last' has the character U+0000 in it"],
    [
      "GET",
      "/v2/_catalog?n=-5",
      400,
      "PAGINATION_NUMBER_INVALID",
      "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value greater than or equal to 0'",
    ],
    [
      "GET",
      `/v2/app/referrers/${d}?last=forged`,
      400,
      "UNSUPPORTED",
      "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid next token provided'",
    ],
    ["GET", "/v2/missing/manifests/v1", 404, "NAME_UNKNOWN", noRepository("missing")],
    ["GET", "/v2/missing/tags/list", 404, "NAME_UNKNOWN", noRepository("missing")],
    ["POST", "/v2/missing/blobs/uploads/", 404, "NAME_UNKNOWN", noRepository("missing")],
    ["GET", "/v2/app/manifests/nope", 404, "MANIFEST_UNKNOWN", "Requested image not found"],
    ["GET", `/v2/app/manifests/${d}`, 404, "MANIFEST_UNKNOWN", "Requested image not found"],
    ["DELETE", "/v2/app/manifests/nope", 404, "MANIFEST_UNKNOWN", "Requested image not found"],
    ["DELETE", `/v2/app/manifests/${d}`, 404, "MANIFEST_UNKNOWN", "Requested image not found"],
    ["GET", `/v2/app/blobs/${d}`, 404, "BLOB_UNKNOWN", noLayer(d)],
    ["DELETE", `/v2/app/blobs/${d}`, 404, "BLOB_UNKNOWN", noLayer(d)],
    ["GET", `/v2/app/blobs/uploads/${id}`, 404, "BLOB_UPLOAD_UNKNOWN", noUpload],
    ["PATCH", `/v2/app/blobs/uploads/${id}`, 404, "BLOB_UPLOAD_UNKNOWN", noUpload],
    ["PUT", `/v2/app/blobs/uploads/${id}?digest=${d}`, 404, "BLOB_UPLOAD_UNKNOWN", noUpload],
  ])("%s %s", async (method, path, status, code, message) => {
    const response = await berth.oci(method, path);
    expect(response.status).toBe(status);
    expect(response.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
    if (method !== "HEAD") expect(await response.json()).toEqual({ errors: [{ code, message }] });
  });
});

describe("manifests", () => {
  const put = (body: string | Uint8Array, type: string = mediaTypes.manifest, reference = "bad") =>
    berth.oci("PUT", `/v2/app/manifests/${reference}`, { headers: { "content-type": type }, body });
  const config = { mediaType: mediaTypes.config, digest: digestOf("{}"), size: 2 };
  const image = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [] as object[] };
  const invalid = (reason: string) => `The image manifest is invalid: ${reason}`;

  test.each<[string, () => Promise<Response>, number, string, string]>([
    ["not JSON", () => put("nonsense"), 400, "MANIFEST_INVALID", invalid("not valid JSON")],
    ["empty", () => put(""), 400, "MANIFEST_INVALID", invalid("not valid JSON")],
    [
      "duplicate keys",
      () => put('{"a":1,"a":2}'),
      400,
      "MANIFEST_INVALID",
      invalid("the key 'a' appears twice in an object"),
    ],
    [
      "another type than declared",
      () => put(JSON.stringify(image), mediaTypes.index),
      400,
      "MANIFEST_INVALID",
      invalid(`its mediaType is '${mediaTypes.manifest}', but it was sent as '${mediaTypes.index}'`),
    ],
    [
      "layers and manifests",
      () => put(JSON.stringify({ ...image, manifests: [] })),
      400,
      "MANIFEST_INVALID",
      invalid(`a manifest of type ${mediaTypes.manifest} has no 'manifests'`),
    ],
    [
      "schema 1",
      () => put('{"schemaVersion":1}', "application/vnd.docker.distribution.manifest.v1+json"),
      400,
      "MANIFEST_INVALID",
      "Docker image manifest schema 1 is not supported; push the image with schema 2 or as an OCI image",
    ],
    [
      "an unsupported type",
      () => put(JSON.stringify({ schemaVersion: 2 }), "text/html"),
      400,
      "MANIFEST_INVALID",
      invalid("media type 'text/html' is not supported"),
    ],
    [
      "a layer that is not here",
      () => put(JSON.stringify({ ...image, layers: [{ ...config, digest: d }] })),
      404,
      "MANIFEST_BLOB_UNKNOWN",
      `Layers with digests '[${d}]' required for pushing image into repository with name 'app' in the registry with id '000000000000' do not exist`,
    ],
    [
      "a child that is not here",
      () =>
        put(
          JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [{ ...config, digest: d }] }),
          mediaTypes.index,
        ),
      404,
      "MANIFEST_BLOB_UNKNOWN",
      `Images with digests '[${d}]' required for pushing image into repository with name 'app' in the registry with id '000000000000' do not exist`,
    ],
    [
      "another digest",
      () => put(JSON.stringify(image), mediaTypes.manifest, d),
      400,
      "DIGEST_INVALID",
      `The image with digest '${d}' in repository 'app' and registry ID '000000000000' does not match the image digest that Amazon ECR has calculated.`,
    ],
    [
      "over 4 MiB",
      () => put(new Uint8Array(4 * 1024 * 1024 + 1)),
      413,
      "SIZE_INVALID",
      "The manifest is larger than 4194304 bytes",
    ],
    [
      "a repository that is not here",
      () => berth.oci("PUT", "/v2/missing/manifests/v1", { body: JSON.stringify(image) }),
      404,
      "NAME_UNKNOWN",
      noRepository("missing"),
    ],
  ])("%s", async (_, push, status, code, message) => {
    const response = await push();
    expect([response.status, await response.json()]).toEqual([status, { errors: [{ code, message }] }]);
  });
});

describe("chunks", () => {
  test.each([
    ["nonsense", 416, "BLOB_UPLOAD_INVALID", "The Content-Range header must have the form <start>-<end>"],
    ["5-3", 416, "BLOB_UPLOAD_INVALID", "The Content-Range header must have the form <start>-<end>"],
    ["-3", 416, "BLOB_UPLOAD_INVALID", "The Content-Range header must have the form <start>-<end>"],
    ["1-3", 416, "BLOB_UPLOAD_INVALID", "First byte of the layer part is 1 instead of 0"],
    ["0-9", 400, "SIZE_INVALID", "The layer part has 3 bytes, but 10 were declared"],
  ])("Content-Range: %s", async (range, status, code, message) => {
    const begun = await berth.oci("POST", "/v2/app/blobs/uploads/");
    const upload = begun.headers.get("location") ?? "";
    const response = await berth.oci("PATCH", upload, { headers: { "content-range": range }, body: "abc" });
    expect([response.status, await response.json()]).toEqual([status, { errors: [{ code, message }] }]);
    expect((await berth.oci("GET", upload)).headers.get("range")).toBe("0-0");
  });
});

describe("credentials", () => {
  const { accessKeyId: user, secretAccessKey: secret } = keyPair;
  const cases: [string, () => Record<string, string>][] = [
    ["none", () => ({})],
    ["no user", () => ({ authorization: basic("", secret) })],
    ["no password", () => ({ authorization: basic(user, "") })],
    ["no colon", () => ({ authorization: `Basic ${btoa("nonsense")}` })],
    ["not base64", () => ({ authorization: "Basic !!!" })],
    ["a bearer token", () => ({ authorization: `Bearer ${token}` })],
    ["a wrong secret", () => ({ authorization: basic(user, `${secret}x`) })],
    ["an unknown key", () => ({ authorization: basic("AKIAUNKNOWN000000000", secret) })],
    ["the secret as user", () => ({ authorization: basic(secret, secret) })],
    ["the secret under AWS", () => ({ authorization: basic("AWS", secret) })],
    ["a token under another user", () => ({ authorization: basic("aws", token) })],
    ["a token with a flipped character", () => ({ authorization: basic("AWS", flip(token)) })],
    ["a shortened token", () => ({ authorization: basic("AWS", token.slice(0, -1)) })],
    ["a lengthened token", () => ({ authorization: basic("AWS", `${token}A`) })],
    ["an endless header", () => ({ authorization: basic("AWS", "x".repeat(40_000)) })],
  ];
  test.each(cases)("%s: the challenge and nothing else", async (_, headers) => {
    for (const [method, path] of [
      ["GET", "/v2/"],
      ["GET", "/v2/_catalog"],
      ["GET", "/v2/app/manifests/v1"],
      ["GET", "/v2/missing/manifests/v1"],
      ["GET", `/v2/app/blobs/${digestOf("content")}`],
      ["GET", `/v2/app/blobs/${digestOf("content")}?X-Berth-Layer-Token=forged`],
      ["POST", "/v2/app/blobs/uploads/"],
      ["PUT", "/v2/app/manifests/v1"],
      ["DELETE", "/v2/app/manifests/v1"],
      ["GET", "/v2/app/tags/list"],
      ["GET", `/v2/app/referrers/${d}`],
      ["GET", "/v2/NOT-A-NAME/nothing"],
      ["GET", "/v2/NOT-A-NAME/nothing?X-Berth-Layer-Token=forged"],
    ] as const) {
      const response = await berth.send(method, path, { headers: headers() });
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe(
        `Basic realm="http://${host}/",service="ecr.amazonaws.com"`,
      );
      expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
      expect(await response.text()).toBe("Not Authorized\n");
    }
  });

  test("a token opens the registry for 12 hours and then says why not", async () => {
    const read = () => berth.send("GET", "/v2/app/manifests/v1", { headers: { authorization: basic("AWS", token) } });
    const before = berth.now;
    expect((await read()).status).toBe(200);
    berth.now = new Date(before.getTime() + 12 * 3600 * 1000 - 60_000);
    expect((await read()).status).toBe(200);
    berth.now = new Date(before.getTime() + 12 * 3600 * 1000 + 60_000);
    const expired = await read();
    expect([expired.status, await expired.json()]).toEqual([
      403,
      { errors: [{ code: "DENIED", message: "Your authorization token has expired. Reauthenticate and try again." }] },
    ]);
    berth.now = before;
  });

  test("a token of one region does not open another's registry", async () => {
    const headers = { authorization: basic("AWS", token), host: "000000000000.dkr.ecr.eu-west-1.registry.test" };
    const response = await berth.send("GET", "/v2/", { headers });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain(
      "Your authorization token is for us-east-1, but this host serves eu-west-1.",
    );
  });

  test("another account's registry stays shut", async () => {
    const headers = { authorization: basic("AWS", token), host: "111111111111.dkr.ecr.us-east-1.registry.test" };
    const response = await berth.send("GET", "/v2/app/manifests/v1", { headers });
    expect([response.status, await response.json()]).toEqual([
      403,
      {
        errors: [
          {
            code: "DENIED",
            message:
              "User: arn:aws:iam::000000000000:root is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:us-east-1:111111111111:repository/app because no resource-based policy allows the ecr:BatchGetImage action",
          },
        ],
      },
    ]);
  });
});

function flip(text: string): string {
  const at = text.length >> 1;
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}
