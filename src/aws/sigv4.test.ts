import { beforeAll, describe, expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import type { FoundKey, SigningKey } from "../domain/identity/credentials.ts";
import { type AccountId, parseRegion, type Region } from "../domain/names.ts";
import { CallRefused } from "./errors.ts";
import { createVerifier, type Expectation } from "./sigv4.ts";
import { type Draft, presignDraft, type Signing, signDraft, toRequest } from "./test-signer.ts";

/** The published signer is the oracle: what it signs is good, and what is changed after it signed is not. */

const now = new Date("2026-10-04T10:15:00Z");
const account = "111122223333" as AccountId;
const principal = { kind: "root", account, arn: `arn:aws:iam::${account}:root`, userId: account } as const;
const longTerm = { accessKeyId: "AKIAEXAMPLE", secret: "long/term+secret" };
const temporary = { accessKeyId: "ASIAEXAMPLE", secret: "temporary", sessionToken: "good/token+==" };

const credentials = {
  async find(accessKeyId: string, sessionToken?: string): Promise<FoundKey> {
    const key = { state: "active", principal, longTermKeyId: longTerm.accessKeyId } as const;
    if (accessKeyId === longTerm.accessKeyId && !sessionToken) {
      return { ...key, ...longTerm, temporary: false } satisfies SigningKey;
    }
    if (accessKeyId !== temporary.accessKeyId) return { state: "unknown" };
    if (sessionToken === "old") return { state: "expired" };
    return sessionToken === temporary.sessionToken ? { ...key, ...temporary, temporary: true } : { state: "unknown" };
  },
};

const json: Expectation = { service: "ecr", clockSkewMinutes: 5, missingTokenText: "Missing Authentication Token" };
const query: Expectation = { ...json, service: "sts", clockSkewMinutes: 15 };
const verifier = createVerifier({ credentials, clock: () => now });

function draft(changes: Partial<Draft> = {}): Draft {
  return {
    method: "POST",
    path: "/",
    query: {},
    body: "{}",
    ...changes,
    headers: { host: "localhost:5080", "content-type": "application/x-amz-json-1.1", ...changes.headers },
  };
}

const sign = (request: Draft, signing: Signing = {}) => signDraft(request, { ...defaults, ...signing });
const presign = (request: Draft, signing: Signing & { expiresIn?: number } = {}) =>
  presignDraft(request, { ...defaults, ...signing });
const defaults = { key: longTerm, signingDate: now };

async function verify(request: Request, body: Uint8Array | string = "{}", expected = json): Promise<object> {
  try {
    const signed = await verifier.verify(request, Buffer.from(body), expected);
    return { state: "good", key: signed.key.accessKeyId, region: signed.region as string };
  } catch (error) {
    if (!(error instanceof CallRefused)) throw error;
    return { fault: error.fault, message: error.message };
  }
}

const good = { state: "good", key: longTerm.accessKeyId, region: "us-east-1" };
const differs = {
  fault: "SignatureMismatch",
  message:
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
} as const;

describe("agrees with the published signer", () => {
  const random = seeded(20261004);
  const alphabet = [..."aZ9-_.~ +/%&=*'()!é😀:@,\t", "  "];
  const text = (max: number) => Array.from({ length: random(max) }, () => alphabet[random(alphabet.length)]).join("");
  const ascii = (max: number) => text(max).replace(/[^ -~\t]/g, "x");
  const regions = ["us-east-1", "eu-west-1", "ap-southeast-2", "us-gov-west-1"];

  function randomDraft(): Draft {
    const segments = Array.from({ length: random(4) }, () => encodeURIComponent(`s${text(5)}`));
    const query: Draft["query"] = {};
    for (let count = random(5); count > 0; count--) {
      const value = random(3) === 0 ? [text(6), text(6), ""] : text(8);
      query[`p${text(4)}`] = value;
    }
    const headers: Draft["headers"] = {};
    for (let count = random(5); count > 0; count--) headers[`x-h${random(30)}`] = ascii(12);
    if (random(3) === 0) headers["x-amz-target"] = "AmazonEC2ContainerRegistry_V20150921.ListImages";
    headers.host = ["localhost:5080", "ecr.example.com", "[::1]:8443"][random(3)] ?? "";
    return draft({
      method: ["POST", "GET", "PUT"][random(3)],
      path: `/${segments.join("/")}${random(3) === 0 ? "/" : ""}`,
      query,
      headers,
      body: random(4) === 0 ? "" : Uint8Array.from({ length: random(300) }, () => random(256)),
    });
  }

  const rounds = Array.from({ length: 250 }, () => {
    const request = randomDraft();
    if (request.method === "GET") request.body = "";
    const region = regions[random(regions.length)] ?? "";
    const key = random(2) ? longTerm : temporary;
    const signingDate = new Date(now.getTime() + (random(590) - 295) * 1000);
    const signing = { region, key, signingDate, checksum: random(2) === 0 };
    return { request, signing, expected: { state: "good", key: key.accessKeyId, region } };
  });

  test("on 250 random requests, signed by header", async () => {
    for (const { request, signing, expected } of rounds) {
      expect(await verify(toRequest(await sign(request, signing)), request.body)).toEqual(expected);
    }
  });
  test("on 250 random requests, presigned", async () => {
    for (const { request, signing, expected } of rounds) {
      expect(await verify(toRequest(await presign(request, { ...signing, expiresIn: 300 })), request.body)).toEqual(
        expected,
      );
    }
  });
});

describe("what is changed after signing is refused", () => {
  let signed: Draft;
  let url: Draft;
  beforeAll(async () => {
    const headers = { "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.ListImages", "x-note": "a b" };
    signed = await sign(draft({ headers, query: { a: ["1", "2"], b: "" } }));
    url = await presign(draft({ method: "GET", body: "", query: { Action: "GetCallerIdentity" } }), { service: "sts" });
  });
  const authorization = () => signed.headers.authorization ?? "";
  const withHeaders = (headers: Record<string, string>) =>
    toRequest({ ...signed, headers: { ...signed.headers, ...headers } });
  const withAuthorization = (change: (text: string) => string) =>
    withHeaders({ authorization: change(authorization()) });
  const without = (...names: string[]) => {
    const kept = Object.entries(signed.headers).filter(([name]) => !names.includes(name));
    return toRequest({ ...signed, headers: Object.fromEntries(kept) });
  };
  const withQuery = (query: Record<string, string | string[]>) =>
    toRequest({ ...url, query: { ...url.query, ...query } });
  const incomplete = (message: string) => ({ fault: "IncompleteSignature", message });
  const invalid = (message: string) => ({ fault: "SignatureMismatch", message });
  const unknown = { fault: "UnknownToken", message: "The security token included in the request is invalid." };

  test("(unchanged, both are good)", async () => {
    expect(await verify(toRequest(signed))).toEqual(good);
    expect(await verify(toRequest(url), "", query)).toEqual(good);
  });

  const byHeader: [name: string, request: () => Request, outcome: object][] = [
    ["another method", () => toRequest({ ...signed, method: "PUT" }), differs],
    ["another path", () => toRequest({ ...signed, path: "/x" }), differs],
    ["a query parameter more", () => toRequest({ ...signed, query: { ...signed.query, c: "" } }), differs],
    ["a query parameter less", () => toRequest({ ...signed, query: { a: ["1", "2"] } }), differs],
    ["a query value", () => toRequest({ ...signed, query: { ...signed.query, a: ["1", "3"] } }), differs],
    ["the host", () => withHeaders({ host: "localhost:5081" }), differs],
    ["the host's port left out", () => withHeaders({ host: "localhost" }), differs],
    ["a signed header", () => withHeaders({ "x-note": "a c" }), differs],
    ["a signed header left out", () => without("x-note"), differs],
    [
      "the target",
      () => withHeaders({ "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.DeleteRepository" }),
      differs,
    ],
    ["the content type", () => withHeaders({ "content-type": "text/plain" }), differs],
    ["the date, within the window", () => withHeaders({ "x-amz-date": "20261004T101501Z" }), differs],
    [
      "one digit of the signature",
      () => withAuthorization((text) => text.replace(/.$/, (c) => (c === "0" ? "1" : "0"))),
      differs,
    ],
    [
      "the signature in upper case",
      () => withAuthorization((text) => text.replace(/[0-9a-f]{64}/, (s) => s.toUpperCase())),
      differs,
    ],
    ["the signature cut short", () => withAuthorization((text) => text.slice(0, -2)), differs],
    [
      "an order of signed headers",
      () => withAuthorization((text) => text.replace("host;x-amz-date", "x-amz-date;host")),
      differs,
    ],
    ["the scope's region", () => withAuthorization((text) => text.replace("us-east-1", "eu-west-1")), differs],
    [
      "an x-amz header more",
      () => withHeaders({ "x-amz-meta": "1" }),
      invalid("'x-amz-meta' must be a 'SignedHeader' in the AWS Authorization."),
    ],
    [
      "a session token that was not signed",
      () => withHeaders({ "x-amz-security-token": "t" }),
      invalid("'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization."),
    ],
    [
      "the host taken from the signed headers",
      () => withAuthorization((text) => text.replace("host;", "")),
      invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."),
    ],
    [
      "the scope's service",
      () => withAuthorization((text) => text.replace("/ecr/", "/sts/")),
      invalid("Credential should be scoped to correct service: 'ecr'."),
    ],
    [
      "the scope's end",
      () => withAuthorization((text) => text.replace("aws4_request", "aws5_request")),
      invalid("Credential should be scoped with a valid terminator: 'aws4_request'."),
    ],
    [
      "a region that is none",
      () => withAuthorization((text) => text.replace("us-east-1", "moon")),
      invalid("Credential should be scoped to a valid region."),
    ],
    [
      "the scope's date",
      () => withAuthorization((text) => text.replace("/20261004/", "/20261003/")),
      invalid(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261003' != '20261004', from '20261004T101500Z'.",
      ),
    ],
    ["the key id", () => withAuthorization((text) => text.replace("AKIAEXAMPLE", "AKIAOTHER")), unknown],
    [
      "no signature",
      () => without("authorization"),
      { fault: "MissingToken", message: "Missing Authentication Token" },
    ],
    [
      "Basic instead",
      () => withHeaders({ authorization: "Basic QVdTOng=" }),
      { fault: "MissingToken", message: "Missing Authentication Token" },
    ],
    [
      "nothing but the algorithm",
      () => withHeaders({ authorization: "AWS4-HMAC-SHA256" }),
      incomplete(
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
      ),
    ],
    [
      "no Credential",
      () => withAuthorization((text) => text.replace(/Credential=[^,]+, /, "")),
      incomplete("Authorization header requires 'Credential' parameter."),
    ],
    [
      "no SignedHeaders",
      () => withAuthorization((text) => text.replace(/SignedHeaders=[^,]+, /, "")),
      incomplete("Authorization header requires 'SignedHeaders' parameter."),
    ],
    [
      "an empty Signature",
      () => withAuthorization((text) => text.replace(/Signature=.*/, "Signature=")),
      incomplete("Authorization header requires 'Signature' parameter."),
    ],
    [
      "two signatures",
      () => withAuthorization((text) => `${text}, Signature=00`),
      incomplete("Authorization header has more than one 'Signature' parameter."),
    ],
    [
      "a part without a value",
      () => withAuthorization((text) => `${text}, x`),
      incomplete("The Authorization header has a part that is not a key=value pair (missing equal-sign)."),
    ],
    [
      "no date",
      () => without("x-amz-date"),
      incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."),
    ],
    [
      "a date in another format",
      () => withHeaders({ "x-amz-date": "2026-10-04T10:15:00Z" }),
      incomplete(
        "Date must be in ISO-8601 'basic format'. Got '2026-10-04T10:15:00Z'. See http://en.wikipedia.org/wiki/ISO_8601",
      ),
    ],
    [
      "a date that does not exist",
      () => withHeaders({ "x-amz-date": "20261399T101500Z" }),
      incomplete(
        "Date must be in ISO-8601 'basic format'. Got '20261399T101500Z'. See http://en.wikipedia.org/wiki/ISO_8601",
      ),
    ],
    [
      "a credential of four parts",
      () => withAuthorization((text) => text.replace("/ecr/", "/")),
      incomplete(
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIAEXAMPLE/20261004/us-east-1/aws4_request'",
      ),
    ],
    [
      "another algorithm",
      () => withAuthorization((text) => text.replace("HMAC-SHA256", "ECDSA-P256-SHA256")),
      incomplete("Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'."),
    ],
    [
      "both forms at once",
      () => toRequest({ ...signed, query: { "X-Amz-Signature": "00" } }),
      incomplete("The request is signed both by an Authorization header and by query-string parameters. Use one."),
    ],
  ];
  for (const [name, request, outcome] of byHeader) {
    test(`by header: ${name}`, async () => expect(await verify(request())).toEqual(outcome as never));
  }

  test("by header: the body", async () => expect(await verify(toRequest(signed), "{ }")).toEqual(differs));

  const inQuery: [name: string, request: () => Request, outcome: object][] = [
    ["the action", () => withQuery({ Action: "GetSessionToken" }), differs],
    ["a parameter more", () => withQuery({ Version: "2011-06-15" }), differs],
    ["a longer life", () => withQuery({ "X-Amz-Expires": "3600" }), differs],
    ["another date", () => withQuery({ "X-Amz-Date": "20261004T101400Z" }), differs],
    ["a session token", () => withQuery({ "X-Amz-Security-Token": "t" }), unknown],
    ["the host", () => toRequest({ ...url, headers: { host: "other" } }), differs],
    [
      "fewer signed headers",
      () => withQuery({ "X-Amz-SignedHeaders": "content-type" }),
      invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."),
    ],
    [
      "a header with a meaning",
      () => toRequest({ ...url, headers: { ...url.headers, "x-amz-target": "x" } }),
      invalid("'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."),
    ],
    [
      "another algorithm",
      () => withQuery({ "X-Amz-Algorithm": "none" }),
      incomplete("Unsupported AWS 'algorithm': 'none'."),
    ],
    [
      "two signatures",
      () => withQuery({ "X-Amz-Signature": ["00", "01"] }),
      incomplete("AWS query-string parameters must include 'X-Amz-Signature' only once."),
    ],
    [
      "an empty date",
      () => withQuery({ "X-Amz-Date": "" }),
      incomplete("AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters."),
    ],
    [
      "no life",
      () => withQuery({ "X-Amz-Expires": "0" }),
      incomplete("X-Amz-Expires must be a number of seconds between 1 and 604800."),
    ],
    [
      "a life over 7 days",
      () => withQuery({ "X-Amz-Expires": "604801" }),
      incomplete("X-Amz-Expires must be a number of seconds between 1 and 604800."),
    ],
    [
      "a life that is no number",
      () => withQuery({ "X-Amz-Expires": "1e3" }),
      incomplete("X-Amz-Expires must be a number of seconds between 1 and 604800."),
    ],
  ];
  for (const [name, request, outcome] of inQuery) {
    test(`presigned: ${name}`, async () => expect(await verify(request(), "", query)).toEqual(outcome as never));
  }

  test("presigned: nothing but a signature", async () => {
    const request = new Request("http://localhost:5080/?X-Amz-Signature=00");
    expect(await verify(request, "", query)).toEqual(
      incomplete(
        "AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Date'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters.",
      ),
    );
  });

  test("a broken percent-encoding", async () => {
    expect(await verify(new Request("http://localhost/?a=%zz"), "")).toEqual({
      fault: "Unreadable",
      message: "The request parameters are not correctly percent-encoded",
    });
  });
});

describe("time", () => {
  const at = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const signedAt = async (seconds: number, expected = json) => {
    const signed = await sign(draft(), { signingDate: at(seconds), service: expected.service });
    return verify(toRequest(signed), "{}", expected);
  };

  test("five minutes either way are good for JSON services", async () => {
    expect(await signedAt(-300)).toEqual(good);
    expect(await signedAt(300)).toEqual(good);
    expect(await signedAt(-301)).toEqual({
      fault: "SignatureMismatch",
      message: "Signature expired: 20261004T100959Z is now earlier than 20261004T101000Z (20261004T101500Z - 5 min.)",
    });
    expect(await signedAt(301)).toEqual({
      fault: "SignatureMismatch",
      message:
        "Signature not yet current: 20261004T102001Z is still later than 20261004T102000Z (20261004T101500Z + 5 min.)",
    });
  });

  test("fifteen minutes either way are good for Query services", async () => {
    expect(await signedAt(-900, query)).toEqual(good);
    expect(await signedAt(900, query)).toEqual(good);
    expect(await signedAt(-901, query)).toEqual({
      fault: "SignatureMismatch",
      message: "Signature expired: 20261004T095959Z is now earlier than 20261004T100000Z (20261004T101500Z - 15 min.)",
    });
    expect(await signedAt(901, query)).toMatchObject({ fault: "SignatureMismatch" });
  });

  const presignedAt = async (seconds: number, expiresIn: number) => {
    const request = draft({ method: "GET", body: "" });
    const signed = await presign(request, { service: "sts", signingDate: at(seconds), expiresIn });
    return verify(toRequest(signed), "", query);
  };

  test("a presigned request lives as long as it says", async () => {
    expect(await presignedAt(-60, 60)).toEqual(good);
    expect(await presignedAt(-61, 60)).toMatchObject({ fault: "SignatureMismatch" });
    expect(await presignedAt(-3600, 3600)).toEqual(good);
    expect(await presignedAt(-3601, 3600)).toEqual({
      fault: "SignatureMismatch",
      message: "Signature expired: 20261004T091459Z is now earlier than 20261004T091500Z (20261004T101500Z - 60 min.)",
    });
    expect(await presignedAt(-604_799, 604_800)).toEqual(good);
  });

  test("a Date header stands in for X-Amz-Date", async () => {
    const signed = await sign(draft());
    const { "x-amz-date": _, ...headers } = signed.headers;
    headers.date = now.toUTCString();
    headers.authorization = resign(headers, "{}");
    expect(await verify(toRequest({ ...signed, headers }))).toEqual(good);
  });

  /** The signer always writes X-Amz-Date, so this one request is signed by hand. */
  function resign(headers: Record<string, string>, body: string): string {
    const sha = (content: string) => createHash("sha256").update(content).digest("hex");
    const hmac = (key: string | Buffer, content: string) => createHmac("sha256", key).update(content).digest();
    const canonical = `POST\n/\n\ndate:${headers.date}\nhost:localhost:5080\n\ndate;host\n${sha(body)}`;
    const scope = "20261004/us-east-1/ecr/aws4_request";
    const stringToSign = `AWS4-HMAC-SHA256\n20261004T101500Z\n${scope}\n${sha(canonical)}`;
    const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${longTerm.secret}`);
    const signature = hmac(key, stringToSign).toString("hex");
    return `AWS4-HMAC-SHA256 Credential=${longTerm.accessKeyId}/${scope}, SignedHeaders=date;host, Signature=${signature}`;
  }
});

describe("credentials", () => {
  const signedWith = async (key: Signing["key"]) => verify(toRequest(await sign(draft(), { key })));
  const unknown = { fault: "UnknownToken", message: "The security token included in the request is invalid." } as const;

  test("a temporary key needs its token", async () => {
    expect(await signedWith(temporary)).toMatchObject({ state: "good", key: temporary.accessKeyId });
    expect(await signedWith({ ...temporary, sessionToken: undefined })).toEqual(unknown);
    expect(await signedWith({ ...temporary, sessionToken: "another" })).toEqual(unknown);
  });
  test("an expired token is told from an unknown one", async () => {
    expect(await signedWith({ ...temporary, sessionToken: "old" })).toEqual({
      fault: "ExpiredToken",
      message: "The security token included in the request is expired",
    });
  });
  test("the wrong secret", async () => {
    expect(await signedWith({ ...longTerm, secret: "guess" })).toEqual(differs);
  });
  test("a changed secret is not verified by the old one's derived key", async () => {
    let secret = "first";
    const find = async () => ({ ...(await credentials.find(longTerm.accessKeyId)), secret }) as SigningKey;
    const changing = createVerifier({ credentials: { find }, clock: () => now });
    const request = async (by: string) => toRequest(await sign(draft(), { key: { ...longTerm, secret: by } }));
    await changing.verify(await request("first"), Buffer.from("{}"), json);
    secret = "second";
    await changing.verify(await request("second"), Buffer.from("{}"), json);
    expect(changing.verify(await request("first"), Buffer.from("{}"), json)).rejects.toThrow(CallRefused);
  });
  test("only the regions that are served", async () => {
    const regions = [parseRegion("eu-west-1") as Region];
    const european = createVerifier({ credentials, clock: () => now, regions });
    const outcome = async (region: string, expected = json) =>
      european.verify(toRequest(await sign(draft(), { region })), Buffer.from("{}"), expected);
    expect((await outcome("eu-west-1")).region as string).toBe("eu-west-1");
    expect(outcome("us-east-1")).rejects.toThrow("Credential should be scoped to a valid region.");
    const global = { ...json, isGlobal: true };
    expect(await outcome("us-east-1", global)).toMatchObject({ region: "us-east-1" });
  });
});

describe("payload", () => {
  const withHash = async (hash: string) => sign(draft({ headers: { "x-amz-content-sha256": hash } }));

  test("an unsigned payload is taken at its word", async () => {
    const request = toRequest(await withHash("UNSIGNED-PAYLOAD"));
    expect(await verify(request, "anything")).toEqual(good);
  });
  test("a declared hash must be the body's", async () => {
    const request = toRequest(await withHash(createHash("sha256").update("{}").digest("hex")));
    expect(await verify(request)).toEqual(good);
    expect(await verify(request, "{ }")).toEqual(differs);
  });
  test("chunked payloads are refused", async () => {
    expect(await verify(toRequest(await withHash("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")))).toEqual({
      fault: "SignatureMismatch",
      message: "Payloads that are signed in chunks (STREAMING-*) are not supported by this service.",
    });
  });
});

describe("headers as they travel", () => {
  test("a header sent twice is signed with a comma", async () => {
    const signed = await sign(draft({ headers: { "x-list": "a,b" } }));
    const request = toRequest(signed);
    request.headers.delete("x-list");
    request.headers.append("x-list", "a");
    request.headers.append("x-list", " b ");
    expect(await verify(request)).toEqual(good);
  });
  test("runs of blanks count as one", async () => {
    const signed = await sign(draft({ headers: { "x-note": "  a   b  " } }));
    expect(await verify(toRequest({ ...signed, headers: { ...signed.headers, "x-note": "a b" } }))).toEqual(good);
  });
  test("what proxies add is not looked at", async () => {
    const signed = await sign(draft());
    const added = { "x-forwarded-for": "10.0.0.1", "x-amzn-trace-id": "Root=1", "x-amz-cf-id": "x", via: "1.1 proxy" };
    expect(await verify(toRequest({ ...signed, headers: { ...signed.headers, ...added } }))).toEqual(good);
  });
});

function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
}
