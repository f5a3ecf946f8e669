import { describe, expect, test } from "bun:test";
import type { Digest } from "../../domain/names.ts";
import { createRemotes } from "./index.ts";
import { createPlayground, digest, failureOf, manifestReply, onThisMachine, signal, tag, user } from "./testing.ts";

const play = createPlayground();
const basic = (text: string) => `Basic ${btoa(text)}`;

/** A registry that wants a token, and the service that gives it, on another host as Docker Hub has it. */
function withTokens(answer: (asked: URL, count: number) => object | Response = (_, count) => ({ token: `t${count}` })) {
  let good = (token: string) => token.startsWith("t");
  let count = 0;
  const tokens = play.serve((_, url) => {
    const given = answer(url, ++count);
    return given instanceof Response ? given : Response.json(given);
  });
  const registry = play.serve((request, url) => {
    const [, token = ""] = /^Bearer (.*)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    if (good(token)) return manifestReply();
    const [, name = ""] = /^\/v2\/(.*)\/manifests\//.exec(url.pathname) ?? [];
    const challenge = `Bearer realm="${tokens.origin}/token?a=b",service="registry.test",scope="repository:${name}:pull"`;
    return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
  });
  return {
    ...registry,
    tokens,
    tokenHosts: [new URL(tokens.origin).host],
    accept(which: (token: string) => boolean) {
      good = which;
    },
  };
}

describe("a password", () => {
  const wanting = (good: string) =>
    play.serve((request) => {
      if (request.headers.get("authorization") === basic(good)) return manifestReply();
      return new Response("", { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
    });

  test("is sent when it is asked for, and from then on", async () => {
    const { origin, asked } = wanting("me:a-password");
    const remote = play.open({ origin, credentials: user() });
    await remote.manifest("a/b", tag, { signal });
    await remote.manifest("a/b", tag, { signal });
    expect(asked.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      basic("me:a-password"),
      basic("me:a-password"),
    ] as never);
  });

  test("is not sent to who does not ask", async () => {
    const { origin, asked } = play.serve(() => manifestReply());
    await play.open({ origin, credentials: user() }).manifest("a/b", tag, { signal });
    expect(asked.map(({ headers }) => headers.authorization)).toEqual([undefined as never]);
  });

  test("that nobody has is denied", async () => {
    const { origin } = wanting("me:a-password");
    expect(await failureOf(play.open({ origin }).ping({ signal }))).toMatchObject({ problem: "denied" });
  });

  test("that was refused is asked for again, once", async () => {
    const { origin, asked } = wanting("me:new");
    const reads: boolean[] = [];
    const credentials = {
      async read({ again }: { again: boolean }) {
        reads.push(again);
        return { user: "me", password: again ? "new" : "old" };
      },
    };
    const remote = play.open({ origin, credentials });
    await Promise.all([1, 2, 3].map(() => remote.manifest("a/b", tag, { signal })));
    expect(reads).toEqual([false, true]);
    const before = asked.length;
    await remote.manifest("a/b", tag, { signal });
    expect(asked.length).toBe(before + 1);
  });

  test("that stays wrong is denied, and not asked for by each request", async () => {
    const { origin } = wanting("me:other");
    let reads = 0;
    const credentials = { read: async () => ({ user: "me", password: `old${reads++ && ""}` }) };
    const remote = play.open({ origin, credentials });
    for (let count = 0; count < 5; count++) {
      const failure = await failureOf(remote.ping({ signal }));
      expect(failure).toMatchObject({ problem: "denied", facts: { status: 401 } });
      expect(failure.message).not.toContain("old");
    }
    expect(reads).toBe(2);
  });
});

describe("a token", () => {
  test("is asked for with the password, for the repository, and used for as long as it is good", async () => {
    let now = new Date("2026-01-01T00:00:00Z");
    const registry = withTokens((_, count) => ({ access_token: `t${count}`, expires_in: 300 }));
    const { origin, tokenHosts, tokens, asked } = registry;
    const remote = play.open({ origin, tokenHosts, credentials: user() }, { clock: () => now });
    await remote.manifest("a/b", tag, { signal });
    await remote.manifest("a/b", tag, { signal });
    expect(tokens.asked.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ["/token?a=b&service=registry.test&scope=repository%3Aa%2Fb%3Apull", basic("me:a-password")],
    ]);
    expect(asked.map(({ headers }) => headers.authorization)).toEqual([undefined, "Bearer t1", "Bearer t1"] as never);
    now = new Date(now.getTime() + 291_000);
    await remote.manifest("a/b", tag, { signal });
    expect(asked.at(-1)?.headers.authorization).toBe("Bearer t2");
    // Another repository, another token, and no detour to be told so.
    await remote.manifest("c/d", tag, { signal });
    expect(asked.slice(4).map(({ headers }) => headers.authorization)).toEqual(["Bearer t3"]);
    expect(tokens.asked.at(-1)?.path).toContain("scope=repository%3Ac%2Fd%3Apull");
  });

  test("is asked for without a password where there is none", async () => {
    const { origin, tokenHosts, tokens } = withTokens();
    await play.open({ origin, tokenHosts }).manifest("a/b", tag, { signal });
    expect(tokens.asked.map(({ headers }) => headers.authorization)).toEqual([undefined as never]);
  });

  test("is shared by all that are opened with the same password, and by nobody else", async () => {
    const { origin, tokenHosts, tokens } = withTokens();
    const remotes = createRemotes();
    const target = { origin, tokenHosts, reach: onThisMachine };
    const open = (password?: string) =>
      remotes.open({ ...target, ...(password && { credentials: user("me", password) }) });
    for (const password of ["one", "one", "two", undefined]) await open(password).manifest("a/b", tag, { signal });
    expect(tokens.asked.map(({ headers }) => headers.authorization)).toEqual([
      basic("me:one"),
      basic("me:two"),
      undefined,
    ] as never);
    remotes.close();
  });

  test("is asked for once by many at the same time", async () => {
    const { origin, tokenHosts, tokens } = withTokens();
    const remote = play.open({ origin, tokenHosts });
    await Promise.all(Array.from({ length: 20 }, () => remote.manifest("a/b", tag, { signal })));
    expect(tokens.asked.length).toBe(1);
  });

  test("that is refused is renewed once", async () => {
    const registry = withTokens();
    const { origin, tokenHosts, tokens, asked } = registry;
    const remote = play.open({ origin, tokenHosts });
    await remote.manifest("a/b", tag, { signal });
    registry.accept((token) => token === "t2");
    await remote.manifest("a/b", tag, { signal });
    expect(tokens.asked.length).toBe(2);
    registry.accept(() => false);
    const before = asked.length;
    expect(await failureOf(remote.manifest("a/b", tag, { signal }))).toMatchObject({ problem: "denied" });
    expect([tokens.asked.length, asked.length - before]).toEqual([3, 2]);
  });

  test("for a mount opens both repositories, and for a push more than for a pull", async () => {
    const { origin, tokenHosts, tokens } = withTokens();
    const remote = play.open({ origin, tokenHosts });
    await failureOf(remote.mountBlob("a/b", digest, "c/d", { signal }));
    await remote.deleteManifest("a/b", { digest: digest as Digest }, { signal });
    expect(tokens.asked.map(({ path }) => new URL(path, origin).searchParams.getAll("scope"))).toEqual([
      ["repository:a/b:pull,push", "repository:c/d:pull"],
      ["repository:a/b:delete,pull"],
    ]);
  });

  test("has what the registry wants beside it for the same repository, and for no other", async () => {
    const tokens = play.serve(() => Response.json({ token: "t" }));
    const { origin } = play.serve((request) => {
      if (request.headers.has("authorization")) return manifestReply();
      const scope = "repository:a/b:metadata_read repository:other:pull registry:catalog:*";
      const challenge = `Bearer realm="${tokens.origin}/",scope="${scope}"`;
      return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
    });
    const tokenHosts = [new URL(tokens.origin).host];
    await play.open({ origin, tokenHosts }).manifest("a/b", tag, { signal });
    const scopes = tokens.asked.map(({ path }) => new URL(path, origin).searchParams.getAll("scope"));
    expect(scopes).toEqual([["repository:a/b:pull", "repository:a/b:metadata_read"]]);
  });

  test("service that refuses is believed, and asked again by the next request", async () => {
    let isGood = false;
    const { origin, tokenHosts, tokens } = withTokens(() =>
      isGood ? { token: "t" } : Response.json({ details: "incorrect username or password" }, { status: 401 }),
    );
    const remote = play.open({ origin, tokenHosts, credentials: user("me", "old") });
    const failure = await failureOf(remote.manifest("a/b", tag, { signal }));
    expect(failure).toMatchObject({ problem: "denied", facts: { status: 401 } });
    expect(failure.message).toContain("incorrect username or password");
    isGood = true;
    await remote.manifest("a/b", tag, { signal });
    expect(tokens.asked.length).toBe(2);
  });

  test.each<[string, Response | object, string]>([
    ["none", {}, "nonsense"],
    ["one that is no text", { token: 7 }, "nonsense"],
    ["one with a line break", { token: "t\r\nx-evil: 1" }, "nonsense"],
    ["one that is very long", { token: "t".repeat(40_000) }, "nonsense"],
    ["more than an answer may be", { token: "t", padding: "x".repeat(70_000) }, "nonsense"],
    ["a page", new Response("<html>"), "nonsense"],
    ["that it is overloaded", new Response("", { status: 503 }), "unavailable"],
    ["to wait", new Response("", { status: 429, headers: { "retry-after": "7" } }), "throttled"],
    ["a redirect", new Response("", { status: 302, headers: { location: "http://127.0.0.1:1/" } }), "nonsense"],
  ])("service that answers %s", async (_, answer, problem) => {
    const { origin, tokenHosts } = withTokens(() => answer);
    const failure = await failureOf(play.open({ origin, tokenHosts }).manifest("a/b", tag, { signal }));
    expect(failure.problem).toBe(problem as never);
    if (problem === "throttled") expect(failure.facts.retryAfterMs).toBe(7_000);
  });
});

describe("the trust boundary", () => {
  test("a service elsewhere is not asked, with a password or without", async () => {
    const { origin, tokens } = withTokens();
    for (const credentials of [undefined, user()]) {
      for (const tokenHosts of [undefined, [], ["auth.test", "127.0.0.1"]]) {
        const failure = await failureOf(
          play.open({ origin, tokenHosts, credentials }).manifest("a/b", tag, { signal }),
        );
        expect(failure).toMatchObject({ problem: "out-of-bounds" });
      }
    }
    expect(tokens.asked).toEqual([]);
  });

  test.each([
    ["user and password", "http://user:pass@HOST/token"],
    ["no host", "token"],
    ["a file", "file:///etc/passwd"],
    ["the metadata of a cloud", "http://169.254.169.254/latest/meta-data/"],
  ])("a realm with %s is no service", async (_, realm) => {
    const { origin, asked } = play.serve((request) => {
      const named = realm.replace("HOST", new URL(request.url).host);
      return new Response("", { status: 401, headers: { "www-authenticate": `Bearer realm="${named}"` } });
    });
    const failure = await failureOf(play.open({ origin, credentials: user() }).ping({ signal }));
    expect(["out-of-bounds", "nonsense"]).toContain(failure.problem);
    expect(asked.length).toBe(1);
  });

  test("a service with a name that is permitted, but at an address that is not, gets nothing", async () => {
    const { port } = play.serve(
      () => new Response("", { status: 401, headers: { "www-authenticate": 'Bearer realm="http://auth.test/token"' } }),
    );
    const addresses: Record<string, string> = { "registry.test": "127.0.0.1", "auth.test": "10.0.0.1" };
    const remote = play.open(
      { origin: `http://registry.test:${port}`, tokenHosts: ["auth.test"], credentials: user() },
      { resolve: async (host) => [addresses[host] ?? ""] },
    );
    const failure = await failureOf(remote.ping({ signal }));
    expect(failure).toMatchObject({ problem: "out-of-bounds" });
    expect(failure.message).toContain("a private address");
  });
});

test("a secret that the other side repeats is not shown", async () => {
  const { origin } = play.serve((request) => {
    const shown = request.headers.get("authorization");
    if (!shown) return new Response("", { status: 401, headers: { "www-authenticate": "Basic" } });
    const message = `bad: ${shown} ${atob(shown.slice(6))} ${request.headers.get("x-peer")} \u001b[31mred`;
    return Response.json({ errors: [{ code: "DENIED", message }] }, { status: 403 });
  });
  const remote = play.open({ origin, credentials: user(), headers: { "x-peer": "peer-secret" } });
  const { message, facts } = await failureOf(remote.ping({ signal }));
  expect(message).toContain("(DENIED: bad: Basic … me:… …  [31mred)");
  expect(facts.code).toBe("DENIED");
});
