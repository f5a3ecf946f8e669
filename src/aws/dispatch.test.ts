import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  CreateRepositoryCommand,
  DescribeRegistryCommand,
  DescribeRepositoriesCommand,
  ListImageReferrersCommand,
  TagResourceCommand,
} from "@aws-sdk/client-ecr";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import type { Access } from "../domain/access.ts";
import { refuse } from "../domain/errors.ts";
import { rootAccess } from "../domain/testing.ts";
import { createBusyControlPlane } from "./index.ts";
import { type Draft, presignDraft, type Signing, signDraft, toRequest } from "./test-signer.ts";
import { account, inProcess, root } from "./testing.ts";

type World = Awaited<ReturnType<typeof inProcess>>;
let world: World;
beforeAll(async () => {
  world = await inProcess();
});
afterAll(() => world.close());

const target = (operation: string) => `AmazonEC2ContainerRegistry_V20150921.${operation}`;

/** A request as a client without an SDK would send it, signed. */
async function post(
  body: Draft["body"],
  more: { operation?: string; headers?: Record<string, string>; signing?: Signing } = {},
) {
  const headers = {
    host: "api.test:5080",
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": target(more.operation ?? "DescribeRepositories"),
    ...more.headers,
  };
  const signing = { key: root, signingDate: world.now(), ...more.signing };
  return world.send(toRequest(await signDraft({ method: "POST", path: "/", query: {}, headers, body }, signing)));
}

async function answer(response: ReturnType<typeof post>) {
  const { status, text } = await response;
  return [status, JSON.parse(text)] as const;
}

const serialization = (message: string) => [400, { __type: "SerializationException", message }] as const;

describe("AWS JSON 1.1", () => {
  const empty = [200, { repositories: [] }] as const;
  const long = JSON.stringify({ repositoryNames: Array(40).fill("aa"), a: "x".repeat(1000) });
  const bodies: [name: string, body: Draft["body"], answer: readonly [number, object]][] = [
    ["an empty object", "{}", empty],
    ["no body at all", "", empty],
    ["members that nobody knows", '{"what":{"is":["this"]}}', empty],
    ["null for what may be absent", '{"maxResults":null,"repositoryNames":null,"registryId":null}', empty],
    ["members in another case, which are others", '{"MaxResults":-1}', empty],
    ["a list", "[]", serialization("The request body must be a JSON object")],
    ["null", "null", serialization("The request body must be a JSON object")],
    ["a number", "1", serialization("The request body must be a JSON object")],
    ["half an object", "{", serialization("The request body cannot be read: not valid JSON")],
    ["two objects", "{}{}", serialization("The request body cannot be read: not valid JSON")],
    ["a byte order mark", "\ufeff{}", serialization("The request body cannot be read: not valid JSON")],
    [
      "what is not UTF-8",
      new Uint8Array([0x7b, 0xff, 0x7d]),
      serialization("The request body cannot be read: not UTF-8"),
    ],
    [
      "a member twice",
      '{"maxResults":1,"maxResults":2}',
      serialization("The request body cannot be read: the key 'maxResults' appears twice in an object"),
    ],
    [
      "a deep object",
      `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
      serialization("The request body cannot be read: nested deeper than 32 levels"),
    ],
    ["a string for a number", '{"maxResults":"10"}', serialization("The value of 'maxResults' has the wrong type")],
    ["a fraction for an integer", '{"maxResults":1.5}', serialization("The value of 'maxResults' has the wrong type")],
    [
      "a number for a string",
      '{"registryId":111122223333}',
      serialization("The value of 'registryId' has the wrong type"),
    ],
    [
      "a string for a list",
      '{"repositoryNames":"aa"}',
      serialization("The value of 'repositoryNames' has the wrong type"),
    ],
    [
      "an object in a list of strings",
      '{"repositoryNames":[{}]}',
      serialization("The value of 'repositoryNames' has the wrong type"),
    ],
    [
      "a wrong type beside a wrong value",
      '{"registryId":"x","maxResults":"1"}',
      serialization("The value of 'maxResults' has the wrong type"),
    ],
    [
      "a number too large for the limit",
      '{"maxResults":1e300}',
      [
        400,
        {
          __type: "InvalidParameterException",
          message:
            "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value less than or equal to 9007199254740991'",
        },
      ],
    ],
    [
      "null in a list",
      '{"repositoryNames":[null]}',
      [
        400,
        {
          __type: "InvalidParameterException",
          message:
            "Invalid parameter at 'repositoryNames' failed to satisfy constraint: 'Member must satisfy constraint: [Member must not be null]'",
        },
      ],
    ],
    [
      "many names",
      long,
      [
        400,
        {
          __type: "RepositoryNotFoundException",
          message: `The repository with name 'aa' does not exist in the registry with id '${account}'`,
        },
      ],
    ],
  ];
  for (const [name, body, expected] of bodies) {
    test(`reads ${name}`, async () => expect(await answer(post(body))).toEqual(expected as never));
  }

  test("blobs are base64, strictly", async () => {
    const part = (blob: unknown) => {
      const input = {
        repositoryName: "aa",
        uploadId: crypto.randomUUID(),
        partFirstByte: 0,
        partLastByte: 0,
        layerPartBlob: blob,
      };
      return answer(post(JSON.stringify(input), { operation: "UploadLayerPart" }));
    };
    for (const bad of ["a", "a-_=", "YQ", "YQ==YQ==", 7]) {
      expect(await part(bad)).toEqual(serialization("The value of 'layerPartBlob' has the wrong type"));
    }
    expect((await part("YQ=="))[1]).toMatchObject({ __type: "RepositoryNotFoundException" });
  });

  test("a wrong enum is a bad value, another type is a broken document", async () => {
    const create = (imageTagMutability: unknown) => {
      const input = { repositoryName: "aa", imageTagMutability };
      return answer(post(JSON.stringify(input), { operation: "CreateRepository" }));
    };
    expect((await create("X"))[1]).toMatchObject({ __type: "InvalidParameterException" });
    expect(await create(1)).toEqual(serialization("The value of 'imageTagMutability' has the wrong type"));
  });

  test("takes a content type with a character set, or another one", async () => {
    for (const type of ["application/x-amz-json-1.1; charset=utf-8", "application/json"]) {
      expect((await post("{}", { headers: { "content-type": type } })).status).toBe(200);
    }
  });

  const unknownOperation = [
    404,
    { __type: "UnknownOperationException", message: "The requested operation is not known to this service." },
  ] as const;
  const targets = [
    "",
    "DescribeRepositories",
    ".DescribeRepositories",
    "Other.DescribeRepositories",
    target(""),
    target("Nothing"),
    target("describeRepositories"),
    target("constructor"),
    target("StartImageScanning"),
  ];
  for (const name of targets) {
    test(`knows no target '${name}'`, async () => {
      expect(await answer(post("{}", { headers: { "x-amz-target": name } }))).toEqual(unknownOperation as never);
    });
  }
  test("knows no other form of an operation", async () => {
    const headers = { "smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor" };
    const request = new Request("http://api.test:5080/service/x/operation/DescribeRepositories", {
      method: "POST",
      headers,
    });
    expect(await answer(world.send(request))).toEqual(unknownOperation as never);
    const get = new Request("http://api.test:5080/", { headers: { "x-amz-target": target("DescribeRepositories") } });
    expect(await answer(world.send(get))).toEqual(unknownOperation as never);
  });

  test("answers carry request id, type and date", async () => {
    const { headers, status } = await post("{}");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/x-amz-json-1.1");
    expect(headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get("date")).toBe(world.now().toUTCString());
    expect(headers.get("x-amzn-errortype")).toBeNull();
    const failed = await post("[]");
    expect(failed.headers.get("x-amzn-errortype")).toBe("SerializationException");
    expect(failed.headers.get("date")).toBe(world.now().toUTCString());
  });
});

describe("large bodies", () => {
  const tooLarge = [
    413,
    {
      __type: "RequestEntityTooLargeException",
      message: "The request body is larger than the limit of 33554432 bytes.",
    },
  ] as const;
  /** Names a key that exists. Whether its owner signed is known only at the end of the body. */
  const scope = `${root.accessKeyId}/20260101/us-east-1/ecr/aws4_request`;
  const headers = {
    "x-amz-target": target("UploadLayerPart"),
    authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=${"0".repeat(64)}`,
    "x-amz-date": "20260101T000000Z",
  };
  const endless = () => {
    const sent = { bytes: 0 };
    const body = new ReadableStream({
      pull(controller) {
        sent.bytes += 256 * 1024;
        controller.enqueue(new Uint8Array(256 * 1024));
      },
    });
    return { sent, body };
  };

  test("are refused by what they declare", async () => {
    const declared = { ...headers, "content-length": String(33_554_433) };
    const request = new Request("http://api.test:5080/", { method: "POST", headers: declared, body: "{}" });
    expect(await answer(world.send(request))).toEqual(tooLarge as never);
  });
  test("are refused by what comes, and not read to the end", async () => {
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent += 1024 * 1024;
        controller.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    const request = new Request("http://api.test:5080/", { method: "POST", headers, body });
    expect(await answer(world.send(request))).toEqual(tooLarge as never);
    expect(sent).toBeLessThan(36 * 1024 * 1024);
  });
  test("that end early are the client's fault", async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
    const request = new Request("http://api.test:5080/", { method: "POST", headers, body });
    expect(await answer(world.send(request))).toEqual(serialization("The request body ended early.") as never);
    expect(world.problems).toEqual([]);
  });
  test.each<[string, Record<string, string>, string]>([
    ["from nobody", { authorization: "" }, "MissingAuthenticationTokenException"],
    [
      "with a key that does not exist",
      { authorization: headers.authorization.replace(root.accessKeyId, "AKIAOTHER") },
      "UnrecognizedClientException",
    ],
  ])("%s are not read", async (_, more, name) => {
    const { sent, body } = endless();
    const request = new Request("http://api.test:5080/", { method: "POST", headers: { ...headers, ...more }, body });
    expect(await answer(world.send(request))).toMatchObject([400, { __type: name }] as never);
    expect(sent.bytes).toBeLessThan(1024 * 1024);
  });
  test.each([
    ["DescribeRepositories", 1024 * 1024],
    ["PutImage", 9 * 1024 * 1024],
  ])("%s has none of more than %i bytes", async (operation, limit) => {
    const { sent, body } = endless();
    const of = { ...headers, "x-amz-target": target(operation) };
    const message = `The request body is larger than the limit of ${limit} bytes.`;
    expect(
      await answer(world.send(new Request("http://api.test:5080/", { method: "POST", headers: of, body }))),
    ).toEqual([413, { __type: "RequestEntityTooLargeException", message }]);
    expect(sent.bytes).toBeLessThan(limit + 1024 * 1024);
  });
  test("an operation that does not exist reads nothing", async () => {
    const { sent, body } = endless();
    const of = { ...headers, "x-amz-target": target("Nothing") };
    const refused = await answer(
      world.send(new Request("http://api.test:5080/", { method: "POST", headers: of, body })),
    );
    expect(refused).toMatchObject([404, { __type: "UnknownOperationException" }] as never);
    expect(sent.bytes).toBeLessThan(1024 * 1024);
  });
  test("take turns in memory, and small ones always fit", async () => {
    const few = await inProcess({ maxBodiesBytes: 1024 * 1024 });
    const { promise: sendRest, resolve: finish } = Promise.withResolvers<void>();
    const { promise: halfRead, resolve: halfWasRead } = Promise.withResolvers<void>();
    let pulls = 0;
    const slow = new ReadableStream({
      async pull(controller) {
        if (pulls++ === 0) return controller.enqueue(new Uint8Array(900 * 1024));
        halfWasRead();
        await sendRest;
        controller.close();
      },
    });
    const first = few.send(new Request("http://api.test:5080/", { method: "POST", headers, body: slow }));
    await halfRead;
    const post = (bytes: number) =>
      few.send(new Request("http://api.test:5080/", { method: "POST", headers, body: new Uint8Array(bytes) }));
    const busy = await post(300 * 1024);
    expect([busy.status, busy.headers.get("retry-after"), JSON.parse(busy.text)]).toEqual([
      503,
      "1",
      {
        __type: "ServiceUnavailable",
        message: "The server is reading as many large requests as it can. Wait a moment and try again.",
      },
    ]);
    expect((await post(60 * 1024)).status).toBe(400);
    finish();
    expect((await first).status).toBe(400);
    expect((await post(300 * 1024)).status).toBe(400);
    await few.close();
  });
});

describe("request rates", () => {
  test("are refused once the signature is known to be good, and before anything else is done", async () => {
    const rates = {
      take: () => {
        throw refuse("RateExceeded", { retryAfterMs: 100 });
      },
    };
    const fast = await inProcess({ rates });
    const throttled = {
      name: "ThrottlingException",
      message: "Rate exceeded",
      $metadata: expect.objectContaining({ httpStatusCode: 400 }),
    };
    await expect(fast.ecr.send(new DescribeRepositoriesCommand({ repositoryNames: ["absent"] }))).rejects.toMatchObject(
      throttled,
    );
    await expect(fast.sts.send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({ name: "Throttling" });
    const wrong = { accessKeyId: root.accessKeyId, secretAccessKey: "wrong" };
    await expect(fast.ecrAs(wrong).send(new DescribeRegistryCommand({}))).rejects.toMatchObject({
      name: "InvalidSignatureException",
    });
    await fast.close();
  });

  test("count by principal, region and operation", async () => {
    const taken: unknown[] = [];
    const counted = await inProcess({
      rates: { take: (principal, region, operations) => void taken.push([principal.arn, region, operations]) },
    });
    await counted.ecrIn("eu-west-1").send(new DescribeRegistryCommand({}));
    expect(taken).toEqual([[`arn:aws:iam::${account}:root`, "eu-west-1", ["DescribeRegistry"]]]);
    await counted.close();
  });
});

describe("an API that is busy", () => {
  test("says so in the protocol of the call", async () => {
    const busy = createBusyControlPlane({ clock: () => new Date(0) });
    const arrival = { requestId: "an-id", sourceIp: "10.0.0.1", secureTransport: false, note: () => {} };
    const json = await busy(
      new Request("http://api.test:5080/", { method: "POST", headers: { "x-amz-target": target("PutImage") } }),
      arrival,
    );
    const message = "The server is working on as many requests as it can. Wait a moment and try again.";
    expect([
      json.status,
      json.headers.get("retry-after"),
      json.headers.get("x-amzn-errortype"),
      await json.json(),
    ]).toEqual([503, "1", "ServiceUnavailable", { __type: "ServiceUnavailable", message }]);
    const query = await busy(new Request("http://api.test:5080/?Action=GetCallerIdentity"), arrival);
    expect([query.status, query.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await query.text()).toContain(
      `<Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>${message}</Message>`,
    );
  });
});

describe("signatures, as JSON services spell what is wrong with them", () => {
  const wrong: [name: string, more: Parameters<typeof post>[1], type: string][] = [
    ["an unknown key", { signing: { key: { accessKeyId: "AKIAOTHER", secret: "x" } } }, "UnrecognizedClientException"],
    ["a wrong secret", { signing: { key: { ...root, secret: "x" } } }, "InvalidSignatureException"],
    ["a token that is none", { signing: { key: { ...root, sessionToken: "x" } } }, "UnrecognizedClientException"],
    ["another service", { signing: { service: "sts" } }, "InvalidSignatureException"],
    ["a region that is none", { signing: { region: "local" } }, "InvalidSignatureException"],
    ["an old request", { signing: { signingDate: new Date(0) } }, "InvalidSignatureException"],
    [
      "a chunked payload",
      { headers: { "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER" } },
      "InvalidSignatureException",
    ],
  ];
  for (const [name, more, type] of wrong) {
    test(name, async () => {
      const { status, text, headers } = await post("{}", more);
      expect([status, JSON.parse(text).__type, headers.get("x-amzn-errortype")]).toEqual([400, type, type]);
    });
  }
  test("no signature", async () => {
    const headers = { "x-amz-target": target("DescribeRepositories") };
    const request = () => new Request("http://api.test:5080/", { method: "POST", headers, body: "{}" });
    const missing = { __type: "MissingAuthenticationTokenException", message: "Missing Authentication Token" };
    expect(await answer(world.send(request()))).toEqual([400, missing] as never);
    const half = request();
    half.headers.set("authorization", "AWS4-HMAC-SHA256 Credential=x");
    half.headers.set("x-amz-date", "20261004T101500Z");
    expect(await answer(world.send(half))).toEqual([
      400,
      {
        __type: "IncompleteSignatureException",
        message:
          "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
      },
    ] as never);
  });
  test("a target in a presigned query string means nothing", async () => {
    const headers = { host: "api.test:5080" };
    const query = { "X-Amz-Target": "nothing" };
    const draft: Draft = { method: "POST", path: "/", query, headers: { ...headers }, body: "{}" };
    const presigned = await presignDraft(draft, { key: root, signingDate: world.now() });
    expect(await answer(world.send(toRequest(presigned)))).toMatchObject([
      404,
      { __type: "UnknownOperationException" },
    ]);
  });
});

describe("the gate", () => {
  const denied = { principal: "P", action: "ecr:X", resource: "R", because: "because it is so" };
  const closed: Access = { ...rootAccess(), grant: () => Promise.reject(refuse("AccessDenied", denied)) };

  test("its refusal is the client's answer", async () => {
    const shut = await inProcess({ access: closed });
    await expect(shut.ecr.send(new DescribeRegistryCommand({}))).rejects.toMatchObject({
      name: "AccessDeniedException",
      message: "User: P is not authorized to perform: ecr:X on resource: R because it is so",
      $metadata: { httpStatusCode: 400 },
    });
    await shut.close();
  });

  test("is asked for what each operation needs, in the region of the signature", async () => {
    const asked: unknown[] = [];
    const open = rootAccess();
    const access: Access = {
      ...open,
      grant(caller, registry, needs) {
        asked.push({
          who: caller.principal.arn,
          registry,
          needs: needs.map(({ action, resource }) => `${action} ${resource}`),
        });
        return open.grant(caller, registry, needs);
      },
    };
    const watched = await inProcess({ access });
    const ecr = watched.ecrIn("eu-west-1");
    const arn = (name: string) => `arn:aws:ecr:eu-west-1:${account}:repository/${name}`;
    const imageDigest = `sha256:${"0".repeat(64)}`;
    await ecr.send(new CreateRepositoryCommand({ repositoryName: "aa", tags: [{ Key: "k", Value: "v" }] }));
    await ecr.send(new CreateRepositoryCommand({ repositoryName: "bb", tags: [] }));
    await ecr.send(new DescribeRepositoriesCommand({}));
    await ecr.send(new DescribeRepositoriesCommand({ repositoryNames: ["aa", "bb"] }));
    await ecr.send(new ListImageReferrersCommand({ repositoryName: "aa", subjectId: { imageDigest } }));
    await ecr.send(new TagResourceCommand({ resourceArn: arn("aa"), tags: [] }));
    await watched.sts.send(new GetCallerIdentityCommand({}));
    const who = `arn:aws:iam::${account}:root`;
    const registry = { account, region: "eu-west-1" };
    expect(asked).toEqual([
      { who, registry, needs: [`ecr:CreateRepository ${arn("aa")}`, `ecr:TagResource ${arn("aa")}`] },
      { who, registry, needs: [`ecr:CreateRepository ${arn("bb")}`] },
      { who, registry, needs: [`ecr:DescribeRepositories ${arn("*")}`] },
      { who, registry, needs: [`ecr:DescribeRepositories ${arn("aa")}`, `ecr:DescribeRepositories ${arn("bb")}`] },
      { who, registry, needs: [`ecr:BatchGetImage ${arn("aa")}`] },
      { who, registry, needs: [`ecr:TagResource ${arn("aa")}`] },
      { who, registry: { account, region: "us-east-1" }, needs: [] },
    ]);
    await watched.close();
  });
});

describe("what is written down", () => {
  test("of a call: service, operation, principal and error", async () => {
    const principal = `arn:aws:iam::${account}:root`;
    expect((await post("{}")).facts).toEqual({ service: "ecr", operation: "DescribeRepositories", principal });
    const failed = await post('{"repositoryNames":["no/one"]}');
    expect(failed.facts).toEqual({ ...(await post("{}")).facts, error: "RepositoryNotFoundException" });
    const unsigned = await post("{}", { signing: { key: { ...root, secret: "x" } } });
    expect(unsigned.facts).toEqual({
      service: "ecr",
      operation: "DescribeRepositories",
      error: "InvalidSignatureException",
    });
    expect((await post("{}", { operation: "Nothing" })).facts).toEqual({ error: "UnknownOperationException" });
  });

  test("of a fault of our own: all in the log, nothing in the answer", async () => {
    const cause = new Error("the disk at /secret/path is on fire");
    const broken = await inProcess({ access: { ...rootAccess(), grant: () => Promise.reject(cause) } });
    const headers = { host: "api.test:5080", "x-amz-target": target("DescribeRegistry") };
    const signed = await signDraft({ method: "POST", path: "/", query: {}, headers, body: "{}" }, { key: root });
    const { status, text, headers: answered, facts } = await broken.send(toRequest(signed));
    expect(status).toBe(500);
    expect(JSON.parse(text)).toEqual({
      __type: "ServerException",
      message: "The request processing has failed because of an internal error.",
    });
    expect(facts).toMatchObject({ error: "ServerException" });
    const requestId = answered.get("x-amzn-requestid");
    expect(broken.problems).toEqual([
      { err: cause, requestId, service: "ecr", operation: "DescribeRegistry", message: "API call failed" },
    ]);
    await broken.close();
  });
});
