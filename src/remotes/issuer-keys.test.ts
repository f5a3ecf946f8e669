import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { configurationPath, keysPath, startIssuer, type TestIssuer } from "../../test/support/issuer.ts";
import { createIssuerKeys } from "./issuer-keys.ts";

let now: Date;
const clock = () => now;
const pass = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000);
};
let issuer: TestIssuer;
const reasons: unknown[] = [];
const log = { warn: ({ reason }: Record<string, unknown>) => void reasons.push(reason) };
const local = { allowPrivate: false, allowInsecure: true };
const open = (reachable = local) => createIssuerKeys({ ...reachable, clock, log });

beforeEach(() => {
  now = new Date("2026-10-04T10:15:00Z");
  reasons.length = 0;
  issuer = startIssuer({ clock });
});
afterEach(() => issuer[Symbol.asyncDispose]());

const stateOf = async (keys: ReturnType<typeof open>, token = issuer.token()) =>
  (await keys.verify(issuer.issuer, token)).state;

describe("signatures", () => {
  test.each(["RS256", "ES256", "EdDSA"] as const)("by a key for %s", async (algorithm) => {
    const verdict = await open().verify(issuer.issuer, issuer.token({ sub: "me" }, { algorithm }));
    if (verdict.state !== "good") throw new Error(verdict.state);
    expect(JSON.parse(new TextDecoder().decode(verdict.payload))).toMatchObject({ sub: "me", iss: issuer.issuer });
  });

  test.each(["none", "HS256"] as const)("never %s", async (algorithm) => {
    expect(await stateOf(open(), issuer.token({}, { algorithm }))).toBe("bad");
  });

  test("an algorithm that is not the key's", async () => {
    expect(await stateOf(open(), issuer.token({}, { header: { alg: "RS512" } }))).toBe("bad");
    expect(await stateOf(open(), issuer.token({}, { algorithm: "ES256", header: { alg: "RS256" } }))).toBe("bad");
  });

  test("somebody else's, and one over other claims", async () => {
    expect(await stateOf(open(), issuer.token({}, { forged: true }))).toBe("bad");
    const [head, , signature] = issuer.token().split(".");
    const claims = issuer.token({ sub: "admin" }).split(".")[1];
    expect(await stateOf(open(), [head, claims, signature].join("."))).toBe("bad");
  });

  test("a token without a key id is tried with every key that fits", async () => {
    const keys = issuer.jwks().keys;
    issuer.lies.set(keysPath, () => Response.json({ keys: [...keys, { ...keys[0], kid: "twin" }] }));
    expect(await stateOf(open(), issuer.token({}, { header: { kid: undefined } }))).toBe("good");
    expect(await stateOf(open(), issuer.token({}, { header: { kid: undefined }, forged: true }))).toBe("bad");
  });

  test("a token that must be understood in a way that is not", async () => {
    expect(await stateOf(open(), issuer.token({}, { header: { crit: ["x"], x: 1 } }))).toBe("bad");
  });
});

describe("a key set", () => {
  const secret = Buffer.from("0123456789abcdef0123456789abcdef");
  const signed = (header: object) => {
    const [, payload] = issuer.token().split(".");
    const text = `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${payload}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  };

  test("with a shared secret opens nothing by it", async () => {
    const oct = { kty: "oct", k: secret.toString("base64url"), kid: "shared" };
    issuer.lies.set(keysPath, () => Response.json({ keys: [oct, ...issuer.jwks().keys] }));
    const keys = open();
    expect(await stateOf(keys, signed({ alg: "HS256", kid: "shared" }))).toBe("bad");
    expect(await stateOf(keys, signed({ alg: "RS256", kid: "shared" }))).toBe("bad");
    expect(await stateOf(keys)).toBe("good");
  });

  test("is not taken from the token's own header", async () => {
    await using own = startIssuer({ clock });
    const [jwk] = own.jwks().keys;
    const [{ kid } = {}] = issuer.jwks().keys as { kid?: string }[];
    const header = { jwk, jku: `${own.issuer}${keysPath}`, kid };
    expect(await stateOf(open(), own.token({ iss: issuer.issuer }, { header }))).toBe("bad");
    expect(own.asked).toEqual([]);
  });

  test("of very many keys is none: each of them might have to be tried with every token", async () => {
    const [key] = issuer.jwks().keys;
    issuer.lies.set(keysPath, () => Response.json({ keys: Array.from({ length: 101 }, () => key) }));
    expect(await stateOf(open())).toBe("unusable");
  });
});

describe("keys are kept", () => {
  const times = (path: string) => issuer.asked.filter((asked) => asked === path).length;

  test("and asked for once by many at the same time", async () => {
    const keys = open();
    const states = await Promise.all(Array.from({ length: 20 }, () => stateOf(keys)));
    expect(new Set(states)).toEqual(new Set(["good"]));
    expect(times(keysPath)).toBe(1);
  });

  test("for an hour, or as long as their issuer says, from 5 minutes to a day", async () => {
    for (const [header, seconds] of [
      [undefined, 3600],
      ["public, max-age=1200", 1200],
      ["max-age=1", 300],
      ["s-maxage=9, max-age=999999999", 86_400],
    ] as const) {
      const before = times(keysPath);
      const headers: Record<string, string> = header === undefined ? {} : { "cache-control": header };
      issuer.lies.set(keysPath, () => Response.json(issuer.jwks(), { headers }));
      const keys = open();
      await stateOf(keys);
      pass(seconds - 1);
      await stateOf(keys);
      expect(times(keysPath) - before).toBe(1);
      pass(1);
      await stateOf(keys);
      expect(times(keysPath) - before).toBe(2);
    }
  });

  test("a new key is found, though not more often than every 30 seconds", async () => {
    const keys = open();
    expect(await stateOf(keys)).toBe("good");
    issuer.rotate();
    expect(await stateOf(keys)).toBe("bad");
    pass(30);
    const old = issuer.token();
    expect(await stateOf(keys, old)).toBe("good");
    expect(times(keysPath)).toBe(2);
    for (let i = 0; i < 5; i++)
      expect(await stateOf(keys, issuer.token({}, { header: { kid: "made up" } }))).toBe("bad");
    expect(times(keysPath)).toBe(2);
    pass(30);
    for (let i = 0; i < 5; i++)
      expect(await stateOf(keys, issuer.token({}, { header: { kid: "made up" } }))).toBe("bad");
    expect(times(keysPath)).toBe(3);
    issuer.rotate();
    pass(30);
    expect(await stateOf(keys, old)).toBe("good");
    await stateOf(keys);
    expect(await stateOf(keys, old)).toBe("bad");
  });

  test("while the issuer is down, and no longer than they were to be", async () => {
    const keys = open();
    expect(await stateOf(keys)).toBe("good");
    issuer.lies.set(configurationPath, () => new Response("", { status: 503 }));
    pass(1800);
    expect(await stateOf(keys)).toBe("good");
    expect(await stateOf(keys, issuer.token({}, { header: { kid: "made up" } }))).toBe("bad");
    expect(await stateOf(keys)).toBe("good");
    pass(1800);
    expect(await stateOf(keys)).toBe("unreachable");
    const asked = times(configurationPath);
    expect(await stateOf(keys)).toBe("unreachable");
    expect(times(configurationPath)).toBe(asked);
    issuer.lies.clear();
    pass(5);
    expect(await stateOf(keys)).toBe("good");
  });
});

describe("an issuer is not believed", () => {
  const lie = (path: string, answer: (request: Request) => Response | Promise<Response>) =>
    issuer.lies.set(path, answer);

  test("that says it is another", async () => {
    lie(configurationPath, () => Response.json({ issuer: "https://other", jwks_uri: `${issuer.issuer}${keysPath}` }));
    expect(await stateOf(open())).toBe("unusable");
  });

  test("whose documents are too long", async () => {
    const long = { keys: [], padding: "x".repeat(256 * 1024) };
    lie(keysPath, () => Response.json({ ...issuer.jwks(), ...long }));
    expect(await stateOf(open())).toBe("unusable");
    expect(reasons.join()).toContain("more than 262144 bytes");
  });

  test.each([
    ["no JSON", () => new Response("<html>")],
    ["no keys", () => Response.json({})],
    ["nothing", () => new Response("", { status: 404 })],
    ["a list", () => Response.json([1])],
  ])("that answers %s", async (_, answer) => {
    lie(keysPath, answer);
    expect(await stateOf(open())).toBe("unusable");
  });

  test("that leads to another host, though it may lead to another page", async () => {
    await using other = startIssuer();
    lie(configurationPath, () => Response.redirect(`${other.issuer}${configurationPath}`, 302));
    expect(await stateOf(open())).toBe("unusable");
    expect(reasons.join()).toContain("another host");
    expect(other.asked).toEqual([]);
    lie(configurationPath, () => new Response(null, { status: 301, headers: { location: "/moved" } }));
    lie("/moved", () => Response.json({ issuer: issuer.issuer, jwks_uri: `${issuer.issuer}${keysPath}` }));
    expect(await stateOf(open())).toBe("good");
    lie("/moved", () => new Response(null, { status: 301, headers: { location: "/moved" } }));
    expect(await stateOf(open())).toBe("unusable");
  });

  test("whose keys are inside of our network", async () => {
    for (const address of ["https://127.0.0.1:1", "https://169.254.169.254", "https://[::1]", "https://10.1.2.3"]) {
      lie(configurationPath, () => Response.json({ issuer: issuer.issuer, jwks_uri: `${address}/keys` }));
      expect(await stateOf(open())).toBe("unusable");
      expect(reasons.at(-1)).toMatch(/(?:loopback|private|special) address/);
    }
    for (const address of ["file:///etc/passwd", "ftp://x/", "http://user:pass@127.0.0.1", "http://8.8.8.8", "x"]) {
      lie(configurationPath, () => Response.json({ issuer: issuer.issuer, jwks_uri: address }));
      expect(await stateOf(open())).toBe("unusable");
    }
  });

  test("without TLS, unless it is on this machine and that is allowed", async () => {
    expect(await stateOf(open({ allowPrivate: true, allowInsecure: false }))).toBe("unusable");
    expect(issuer.asked).toEqual([]);
  });

  test("link-local addresses are never asked", async () => {
    const keys = open({ allowPrivate: true, allowInsecure: true });
    expect((await keys.verify("https://169.254.169.254", issuer.token())).state).toBe("unusable");
    expect(reasons.at(-1)).toContain("special address");
  });

  test("a name is looked up, and what it leads to counts", async () => {
    const port = new URL(issuer.issuer).port;
    expect((await open().verify(`https://localhost:${port}`, issuer.token())).state).toBe("unusable");
    expect(reasons.at(-1)).toContain("loopback address");
    const named = `http://localhost:${port}`;
    lie(configurationPath, () => Response.json({ issuer: named, jwks_uri: `${named}${keysPath}` }));
    expect((await open().verify(named, issuer.token())).state).toBe("good");
  });

  test("that is not there, or takes too long", async () => {
    expect((await open().verify("http://127.0.0.1:1", issuer.token())).state).toBe("unreachable");
    lie(configurationPath, async () => {
      await Bun.sleep(20_000);
      return new Response();
    });
    const began = performance.now();
    expect(await stateOf(open())).toBe("unreachable");
    expect(performance.now() - began).toBeLessThan(7000);
  }, 15_000);
});
