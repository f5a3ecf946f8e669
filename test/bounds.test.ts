import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import {
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  DescribeRepositoriesCommand,
  InitiateLayerUploadCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import type { Limits } from "../src/compose.ts";
import { startServer } from "../src/server/listener.ts";
import { exchange, recordingLog, until } from "../src/server/testing.ts";
import { basic, digestOf, type InProcess, inProcess, keyPair, mediaTypes } from "./support/berth.ts";

/** What happens at each limit, as a client sees it. */

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function berthWith(limits: Partial<Limits>): Promise<InProcess> {
  const berth = await inProcess({ limits });
  opened.push(berth);
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
  return berth;
}

const failed = async (response: Response) => [response.status, await response.json()];
const ociError = (code: string, message: string) => ({ errors: [{ code, message }] });

describe("unfinished uploads", () => {
  const tooMany =
    "The limit of 2 unfinished layer uploads is reached. Complete or cancel some, or wait until they expire.";

  test("are limited for each principal, whichever way they begin", async () => {
    const berth = await berthWith({ openUploads: 2 });
    const begin = () => berth.oci("POST", "/v2/app/blobs/uploads/");
    const first = (await begin()).headers.get("location") ?? "";
    const { uploadId } = await berth.ecr().send(new InitiateLayerUploadCommand({ repositoryName: "app" }));

    expect(await failed(await begin())).toEqual([429, ociError("TOOMANYREQUESTS", tooMany)]);
    const mount = await berth.oci("POST", `/v2/app/blobs/uploads/?mount=${digestOf("none")}`);
    expect(await failed(mount)).toEqual([429, ociError("TOOMANYREQUESTS", tooMany)]);
    await expect(berth.ecr().send(new InitiateLayerUploadCommand({ repositoryName: "app" }))).rejects.toMatchObject({
      name: "LimitExceededException",
      message: tooMany,
    });

    // One that is complete, and one that is cancelled, make room.
    expect((await berth.oci("PUT", `${first}?digest=${digestOf("x")}`, { body: "x" })).status).toBe(201);
    expect((await begin()).status).toBe(202);
    expect((await begin()).status).toBe(429);
    expect((await berth.oci("DELETE", `/v2/app/blobs/uploads/${uploadId}`)).status).toBe(204);
    expect((await begin()).status).toBe(202);
  });

  test("a blob in one request needs none", async () => {
    const berth = await berthWith({ openUploads: 1 });
    await berth.oci("POST", "/v2/app/blobs/uploads/");
    await berth.pushImage("app", "v1", "content");
    expect((await berth.oci("GET", "/v2/app/manifests/v1")).status).toBe(200);
  });
});

describe("request rates", () => {
  const rates = (...own: [operation: string, perSecond: number, burst: number][]): Partial<Limits> => ({
    rates: { profile: "none", own: own.map(([operation, perSecond, burst]) => ({ operation, perSecond, burst })) },
  });
  const exceeded = [429, ociError("TOOMANYREQUESTS", "Rate exceeded")];

  test("API and registry draw on the same tokens", async () => {
    const berth = await berthWith(rates(["InitiateLayerUpload", 0.25, 2]));
    expect((await berth.oci("POST", "/v2/app/blobs/uploads/")).status).toBe(202);
    await berth.ecr().send(new InitiateLayerUploadCommand({ repositoryName: "app" }));
    const refused = await berth.oci("POST", "/v2/app/blobs/uploads/");
    expect(refused.headers.get("retry-after")).toBe("4");
    expect(await failed(refused)).toEqual(exceeded);
    await expect(berth.ecr().send(new InitiateLayerUploadCommand({ repositoryName: "app" }))).rejects.toMatchObject({
      name: "ThrottlingException",
      message: "Rate exceeded",
      $metadata: { httpStatusCode: 400 },
    });
    berth.now = new Date(berth.now.getTime() + 4000);
    expect((await berth.oci("POST", "/v2/app/blobs/uploads/")).status).toBe(202);
  });

  test("the SDKs know the error, and try again", async () => {
    const berth = await berthWith(rates(["DescribeRepositories", 1000, 1]));
    let attempts = 0;
    const client = berth.ecr({ maxAttempts: 3 });
    client.middlewareStack.add(
      (next) => (args) => {
        if (attempts++ > 0) berth.now = new Date(berth.now.getTime() + 1000);
        return next(args);
      },
      { step: "deserialize" },
    );
    await berth.ecr().send(new DescribeRepositoriesCommand({}));
    expect((await client.send(new DescribeRepositoriesCommand({}))).repositories?.length).toBe(1);
    expect(attempts).toBe(2);
  });

  test.each<[operation: string, method: string, path: string]>([
    ["BatchGetImage", "GET", "/v2/app/manifests/v1"],
    ["BatchGetImage", "HEAD", "/v2/app/manifests/v1"],
    ["PutImage", "PUT", "/v2/app/manifests/v2"],
    ["BatchDeleteImage", "DELETE", "/v2/app/manifests/v2"],
    ["GetDownloadUrlForLayer", "GET", `/v2/app/blobs/${digestOf("content")}`],
    ["BatchCheckLayerAvailability", "HEAD", `/v2/app/blobs/${digestOf("content")}`],
    ["InitiateLayerUpload", "POST", "/v2/app/blobs/uploads/"],
    ["InitiateLayerUpload", "POST", `/v2/app/blobs/uploads/?mount=${digestOf("none")}`],
    ["CompleteLayerUpload", "POST", `/v2/app/blobs/uploads/?digest=${digestOf("none")}`],
    ["UploadLayerPart", "PATCH", "/v2/app/blobs/uploads/8e6d0000-0000-4000-8000-000000000000"],
    [
      "CompleteLayerUpload",
      "PUT",
      `/v2/app/blobs/uploads/8e6d0000-0000-4000-8000-000000000000?digest=${digestOf("none")}`,
    ],
    ["ListImages", "GET", "/v2/app/tags/list"],
    ["DescribeRepositories", "GET", "/v2/_catalog"],
  ])("a request counts as ECR's %s: %s %s", async (operation, method, path) => {
    const berth = await berthWith(rates([operation, 0.001, 1]));
    const ask = () => berth.oci(method, path);
    // One of these was spent when the repository was made ready.
    await ask();
    expect((await ask()).status).toBe(429);
  });

  test("a service that is one for all regions has one rate, whichever region its caller names", async () => {
    const berth = await berthWith(rates(["GetCallerIdentity", 0.001, 1]));
    const ask = (region: string) => berth.sts({ region }).send(new GetCallerIdentityCommand({}));
    await ask("us-east-1");
    await expect(ask("eu-west-1")).rejects.toThrow("Rate exceeded");
  });

  test("who is not signed in takes nothing of anybody's, and learns nothing", async () => {
    const berth = await berthWith(rates(["*", 0.001, 3]));
    for (let i = 0; i < 10; i++) expect((await berth.send("GET", "/v2/app/manifests/v1")).status).toBe(401);
    expect((await berth.oci("GET", "/v2/app/manifests/v1")).status).toBe(404);
    const wrong = berth.sts({ credentials: { ...keyPair, secretAccessKey: "wrong" } });
    for (let i = 0; i < 10; i++) await expect(wrong.send(new GetCallerIdentityCommand({}))).rejects.toThrow();
    expect((await berth.sts().send(new GetCallerIdentityCommand({}))).Account).toBeDefined();
  });

  test("being signed in can always be checked", async () => {
    const berth = await berthWith(rates(["*", 0.001, 1]));
    for (let i = 0; i < 10; i++) expect((await berth.oci("GET", "/v2/")).status).toBe(200);
  });

  test("ECR's profile: ten images a second, and a push in one go", async () => {
    const berth = await berthWith({ rates: { profile: "ecr", own: [] } });
    for (let i = 0; i < 10; i++) await berth.pushImage("app", `v${i}`, "content");
    await expect(berth.pushImage("app", "v10", "content")).rejects.toThrow("Rate exceeded");
    berth.now = new Date(berth.now.getTime() + 100);
    await berth.pushImage("app", "v10", "content");
  });
});

describe("sizes", () => {
  const mib = 1024 * 1024;

  test("a manifest of 4 MiB is taken, by either way", async () => {
    const berth = await berthWith({});
    const { digest, size } = await berth.pushBlob("app", "{}");
    const config = { mediaType: mediaTypes.config, digest, size };
    const bare = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [], annotations: { a: "" } };
    const fill = '"'.repeat((4 * mib - JSON.stringify(bare).length) >> 1);
    const manifest = JSON.stringify({ ...bare, annotations: { a: fill } });
    expect(4 * mib - manifest.length).toBeLessThan(2);
    const pushed = await berth.oci("PUT", "/v2/app/manifests/large", {
      headers: { "content-type": mediaTypes.manifest },
      body: manifest,
    });
    expect(pushed.status).toBe(201);
    const { PutImageCommand } = await import("@aws-sdk/client-ecr");
    const put = new PutImageCommand({ repositoryName: "app", imageManifest: manifest, imageTag: "by-api" });
    expect((await berth.ecr().send(put)).image?.imageId?.imageDigest).toBe(digestOf(manifest));
  });

  test("a part of 20 MiB is the largest that the API takes", async () => {
    const berth = await berthWith({});
    const ecr = berth.ecr();
    const { uploadId } = await ecr.send(new InitiateLayerUploadCommand({ repositoryName: "app" }));
    const part = (bytes: number) =>
      new UploadLayerPartCommand({
        repositoryName: "app",
        uploadId,
        partFirstByte: 0,
        partLastByte: bytes - 1,
        layerPartBlob: new Uint8Array(bytes),
      });
    await expect(ecr.send(part(20 * mib + 1))).rejects.toMatchObject({ name: "InvalidParameterException" });
    await expect(ecr.send(part(25 * mib))).rejects.toMatchObject({ name: "RequestEntityTooLargeException" });
    await ecr.send(part(20 * mib));
    const layerDigests = [digestOf(new Uint8Array(20 * mib))];
    await ecr.send(new CompleteLayerUploadCommand({ repositoryName: "app", uploadId, layerDigests }));
  });
});

describe("behind a listener", () => {
  const authorization = `Authorization: ${basic(keyPair.accessKeyId, keyPair.secretAccessKey)}`;

  async function listening(limits: { concurrentRequests: number; minBytesPerSecond: number; paceWindowMs?: number }) {
    const berth = await berthWith({});
    const { log, lines } = recordingLog();
    const server = startServer({ listen: { host: "127.0.0.1", port: 0 }, ready: async () => {}, log, limits });
    server.serve(berth.surfaces);
    opened.push({ close: () => server.stop(0) });
    const head = (line: string, ...headers: string[]) =>
      [`${line} HTTP/1.1`, "Host: x", authorization, ...headers].join("\r\n");
    return { berth, server, lines, head };
  }

  test("an upload that trickles is cut off, keeps what had come, and can go on", async () => {
    const limits = { concurrentRequests: 10, minBytesPerSecond: 1000, paceWindowMs: 200 };
    const { berth, server, head } = await listening(limits);
    const upload = (await berth.oci("POST", "/v2/app/blobs/uploads/")).headers.get("location") ?? "";
    const answer = await exchange(server.port, head(`PATCH ${upload}`, "Content-Length: 1000"), "abc");
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
      408,
      ociError("BLOB_UPLOAD_INVALID", "The request body ended early; 3 bytes of the upload are kept"),
    ]);
    expect((await berth.oci("GET", upload)).headers.get("range")).toBe("0-2");
    const rest = await berth.oci("PUT", `${upload}?digest=${digestOf("abcdef")}`, {
      headers: { "content-range": "3-5" },
      body: "def",
    });
    expect(rest.status).toBe(201);
  });

  test("an API call that trickles is cut off", async () => {
    const limits = { concurrentRequests: 10, minBytesPerSecond: 1000, paceWindowMs: 200 };
    const { server } = await listening(limits);
    const target = "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.DescribeRepositories";
    const answer = await exchange(server.port, `POST / HTTP/1.1\r\nHost: x\r\n${target}\r\nContent-Length: 1000`, "{");
    expect(answer.status).toBe(408);
    expect(JSON.parse(answer.body.toString())).toEqual({
      __type: "SerializationException",
      message: "The request body ended early.",
    });
  });

  test("more requests than there is room for are refused in their own words, and health is not", async () => {
    const { berth, server, lines, head } = await listening({ concurrentRequests: 1, minBytesPerSecond: 1 });
    const upload = (await berth.oci("POST", "/v2/app/blobs/uploads/")).headers.get("location") ?? "";
    const socket = connect(server.port, "127.0.0.1", () => {
      socket.write(`${head(`PATCH ${upload}`, "Content-Length: 6")}\r\n\r\nabc`);
    });
    await until(() => server.inFlight === 1, "the upload has begun");
    const message = "The server is working on as many requests as it can. Wait a moment and try again.";

    const registry = await exchange(server.port, head("GET /v2/app/manifests/v1"));
    expect([registry.status, registry.headers.get("retry-after"), JSON.parse(registry.body.toString())]).toEqual([
      503,
      "1",
      ociError("TOOMANYREQUESTS", message),
    ]);
    const target = "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.DescribeRepositories";
    const api = await exchange(server.port, `POST / HTTP/1.1\r\nHost: x\r\n${target}\r\nContent-Length: 2`, "{}");
    expect([api.status, api.headers.get("retry-after"), JSON.parse(api.body.toString())]).toEqual([
      503,
      "1",
      { __type: "ServiceUnavailable", message },
    ]);
    expect((await exchange(server.port, "GET /healthz HTTP/1.1\r\nHost: x")).status).toBe(200);

    socket.write("def");
    await until(() => lines.some(({ operation }) => operation === "upload.write"), "the upload has ended");
    socket.destroy();
    expect((await berth.oci("GET", upload)).headers.get("range")).toBe("0-5");
  });
});
