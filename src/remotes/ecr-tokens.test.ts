import { afterAll, beforeAll, expect, test } from "bun:test";
import { createEcrTokens } from "./ecr-tokens.ts";
import { createTransport } from "./registry/transport.ts";

/** What the API answers next, and what it was asked. */
let answer: () => Response = () => new Response("{}");
let asked: Headers | undefined;
let server: ReturnType<typeof Bun.serve>;
const transport = createTransport({ reach: { private: false, loopback: true, insecure: true } });
beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      asked = new Headers(request.headers);
      return answer();
    },
  });
});
afterAll(async () => {
  transport.close();
  await server.stop(true);
});

const keys = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "very-secret" };
const tokens = () =>
  createEcrTokens({ clock: () => new Date(), endpointOf: () => new URL(server.url), transport })("eu-west-1", keys);

test("a signed request answers with user, password and their end", async () => {
  const expiresAt = 1_800_000_000;
  answer = () =>
    Response.json({ authorizationData: [{ authorizationToken: btoa("AWS:password"), expiresAt, proxyEndpoint: "x" }] });
  expect(await tokens()).toEqual({ user: "AWS", password: "password", expiresAt: new Date(expiresAt * 1000) });
  expect(asked?.get("x-amz-target")).toBe("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
  expect(asked?.get("authorization")).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\/\d{8}\/eu-west-1\/ecr\/aws4_request/,
  );
});

test.each([
  ["keys that nobody knows", () => Response.json({ __type: "UnrecognizedClientException" }, { status: 400 }), "denied"],
  ["a fault", () => new Response("very-secret", { status: 500 }), "unavailable"],
  ["no token", () => Response.json({ authorizationData: [] }), "nonsense"],
  ["a token that is none", () => Response.json({ authorizationData: [{ authorizationToken: "!" }] }), "nonsense"],
])("%s", async (_what, next, problem) => {
  answer = next;
  const failure = await tokens().catch((error) => error);
  expect(failure).toMatchObject({ name: "RemoteFailure", problem });
  expect(failure.detail).not.toContain("very-secret");
});

test("this machine is not asked where nobody has said that it may be", async () => {
  const publicOnly = createTransport({ reach: { private: false, loopback: false, insecure: false } });
  const endpointOf = () => new URL(server.url);
  const closed = createEcrTokens({ clock: () => new Date(), endpointOf, transport: publicOnly });
  await expect(closed("eu-west-1", keys)).rejects.toMatchObject({ name: "RemoteFailure", problem: "out-of-bounds" });
});
