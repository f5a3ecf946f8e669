import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority, makeServerPair } from "../certificates.ts";
import { createApi, elementIn } from "./client.ts";

const servers: Bun.Server<undefined>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

/** The endpoint of a server that answers so. */
function answering(answer: (request: Request) => Response | Promise<Response>): URL {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  servers.push(server);
  return new URL(`http://127.0.0.1:${server.port}`);
}

const call = {
  service: "ecr",
  target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
  input: {},
  keys: { accessKeyId: "AKIA", secretAccessKey: "the secret", sessionToken: "the session" },
} as const;
const ask = (ecr: URL, timeoutMs?: number) =>
  createApi({ endpoints: { ecr }, region: "eu-west-1" }, { timeoutMs }).json(call);
const failure = (ecr: URL, timeoutMs?: number) =>
  ask(ecr, timeoutMs).then(
    () => "answered",
    (error: Error) => error.message.replaceAll(ecr.origin, "ENDPOINT"),
  );

test("a call is signed for its service and region, with the session's token, and never carries the secret", async () => {
  let seen = new Headers();
  const endpoint = answering((request) => {
    seen = new Headers(request.headers);
    return Response.json({ ok: true });
  });
  expect(await ask(endpoint)).toEqual({ ok: true });
  expect(seen.get("authorization")).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIA\/\d{8}\/eu-west-1\/ecr\/aws4_request, /);
  expect(seen.get("x-amz-security-token")).toBe("the session");
  expect(JSON.stringify([...seen])).not.toContain("the secret");
});

test("a server with a certificate from a private authority is asked if the authority is known", async () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-authority-"));
  const year = { from: new Date(), days: 365 };
  const authority = await makeAuthority("Private", year);
  const { certificate: cert, key } = await makeServerPair(authority, ["127.0.0.1"], year);
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls: { cert, key }, fetch: () => Response.json({}) });
  servers.push(server);
  const authorityFile = join(folder, "ca.crt");
  writeFileSync(authorityFile, authority.certificate);
  const ecr = new URL(`https://127.0.0.1:${server.port}`);
  const askWith = (file?: string) =>
    createApi({ endpoints: { ecr }, region: "eu-west-1", authorityFile: file }).json(call);
  expect(await askWith(authorityFile)).toEqual({});
  await expect(askWith()).rejects.toThrow(/certificate/);
  await expect(askWith(join(folder, "none"))).rejects.toThrow(/^AWS_CA_BUNDLE: .*none cannot be read \(ENOENT\)$/);
  rmSync(folder, { recursive: true });
});

test.each<[name: string, answer: () => Response, says: string]>([
  [
    "a JSON error",
    () =>
      Response.json(
        { __type: "com.amazon#AccessDeniedException", message: "User: x is not authorized" },
        { status: 400, headers: { "x-amzn-requestid": "r-1" } },
      ),
    "ENDPOINT refused GetAuthorizationToken: AccessDeniedException: User: x is not authorized (request r-1)",
  ],
  [
    "an XML error",
    () =>
      new Response(
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>a &lt;b&gt; &#39;c&#x27;</Message></Error></ErrorResponse>",
        {
          status: 403,
          headers: { "content-type": "text/xml" },
        },
      ),
    "ENDPOINT refused GetAuthorizationToken: AccessDenied: a <b> 'c'",
  ],
  [
    "a proxy's page",
    () => new Response("<html>Bad gateway</html>", { status: 502, headers: { "content-type": "text/html" } }),
    "ENDPOINT refused GetAuthorizationToken: HTTP 502: an answer that is not from an AWS API",
  ],
  [
    "a page in place of an answer",
    () => new Response("<html>Sign in</html>"),
    "ENDPOINT answered GetAuthorizationToken with something that is not JSON",
  ],
  [
    "too much",
    () => new Response("x".repeat(2 * 1024 * 1024)),
    "ENDPOINT does not answer GetAuthorizationToken: an answer of more than 1048576 bytes",
  ],
])("%s", async (_name, answer, says) => {
  expect(await failure(answering(answer))).toBe(says);
});

test("nobody waits for ever, neither for an answer nor for its end", async () => {
  const says = "ENDPOINT does not answer GetAuthorizationToken: nothing came within 0.2 seconds";
  const never = Promise.withResolvers<Response>();
  expect(
    await failure(
      answering(() => never.promise),
      200,
    ),
  ).toBe(says);
  const endless = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("{")) });
  expect(
    await failure(
      answering(() => new Response(endless)),
      200,
    ),
  ).toBe(says);
});

test("without an endpoint, nobody is asked", async () => {
  const api = createApi({ endpoints: {}, region: "us-east-1" });
  await expect(api.json(call)).rejects.toThrow("nobody has said where Berth is: set BERTH_ENDPOINT");
});

test("an element of a document", () => {
  expect(elementIn("<a><b>1</b><b>2</b></a>", "b")).toBe("1");
  expect(elementIn("<a><b/></a>", "b")).toBeUndefined();
  expect(elementIn("<b>&unknown;&amp;lt;</b>", "b")).toBe("&unknown;&lt;");
});
