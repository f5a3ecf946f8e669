import { describe, expect, test } from "bun:test";
import { makeAuthority, makeServerPair } from "../../cli/certificates.ts";
import {
  createPlayground,
  digest,
  drained,
  failureOf,
  manifestReply,
  onThisMachine,
  signal,
  tag,
  user,
} from "./testing.ts";

const play = createPlayground();
const to = (location: string, status = 307) => new Response(null, { status, headers: { location } });
const secrets = { credentials: user(), headers: { "x-peer": "peer-secret" } };

/** Wants a password, and then leads elsewhere. */
function leading(location: () => string, status = 307) {
  return play.serve((request) => {
    if (request.headers.has("authorization")) return to(location(), status);
    return new Response("", { status: 401, headers: { "www-authenticate": "Basic" } });
  });
}

describe("a redirect", () => {
  test("of a blob is followed to another host, without anything that is for the registry", async () => {
    const store = play.serve(() => new Response("bytes"));
    const { origin, asked } = leading(() => `${store.origin}/signed?X=1`);
    const remote = play.open({ origin, ...secrets });
    const blob = await remote.blob("a/b", digest, { signal, offset: 0 });
    expect(await drained(blob?.bytes ?? (async function* () {})())).toBe(5);
    expect(asked.at(-1)?.headers["x-peer"]).toBe("peer-secret");
    expect(store.asked.map(({ path }) => path)).toEqual(["/signed?X=1"]);
    for (const name of ["authorization", "x-peer", "cookie", "referer"])
      expect(store.asked[0]?.headers[name]).toBeUndefined();
  });

  test("of a part of a blob leads to the same part", async () => {
    const store = play.serve((request) => {
      expect(request.headers.get("range")).toBe("bytes=3-");
      return new Response("es", { status: 206, headers: { "content-range": "bytes 3-4/5" } });
    });
    const { origin } = leading(() => store.origin);
    const blob = await play.open({ origin, ...secrets }).blob("a/b", digest, { signal, offset: 3 });
    expect(blob).toMatchObject({ offset: 3, sizeBytes: 5 });
  });

  test("that leads there and back brings the credentials back to the registry alone", async () => {
    const store = play.serve((_, url) => to(`${url.searchParams.get("back")}/there`));
    const registry = play.serve((request, url) => {
      if (url.pathname === "/there") return new Response("bytes");
      if (request.headers.has("authorization")) return to(`${store.origin}/?back=${registry.origin}`);
      return new Response("", { status: 401, headers: { "www-authenticate": "Basic" } });
    });
    const blob = await play.open({ origin: registry.origin, ...secrets }).blob("a/b", digest, { signal });
    expect(await drained(blob?.bytes ?? (async function* () {})())).toBe(5);
    expect(store.asked[0]?.headers.authorization).toBeUndefined();
  });

  test("of a blob leads nowhere but to hosts that are named, where some are", async () => {
    const store = play.serve(() => new Response("bytes"));
    const { origin } = leading(() => store.origin);
    const open = (blobHosts: string[]) => play.open({ origin, ...secrets, blobHosts });
    for (const hosts of [[], ["127.0.0.1"], ["*.test"]])
      expect(await failureOf(open(hosts).blob("a/b", digest, { signal }))).toMatchObject({ problem: "out-of-bounds" });
    expect(store.asked).toEqual([]);
    expect(await open([new URL(store.origin).host]).blob("a/b", digest, { signal })).toMatchObject({ sizeBytes: 5 });
  });

  test("of a manifest or a list leads to the registry itself, or to hosts that are named for it", async () => {
    const other = play.serve((_, url) =>
      url.pathname.endsWith("list") ? Response.json({ tags: ["a"] }) : manifestReply(),
    );
    const { origin } = play.serve((_, url) => to(`${other.origin}${url.pathname}`));
    for (const manifestHosts of [undefined, ["*.pkg.dev"]]) {
      const remote = play.open({ origin, manifestHosts });
      for (const asking of [
        remote.manifest("a/b", tag, { signal }),
        remote.statManifest("a/b", tag, { signal }),
        Array.fromAsync(remote.tags("a/b", { signal })),
        remote.ping({ signal }),
      ])
        expect(await failureOf(asking)).toMatchObject({ problem: "out-of-bounds" });
    }
    expect(other.asked).toEqual([]);
    const remote = play.open({ origin, manifestHosts: [new URL(other.origin).host] });
    expect(await remote.manifest("a/b", tag, { signal })).toMatchObject({ mediaType: expect.any(String) });
    expect(await Array.fromAsync(remote.tags("a/b", { signal }))).toEqual(["a"]);
  });

  test("may reach less far than the registry itself, but for hosts that are named", async () => {
    const store = play.serve(() => new Response("bytes"));
    const { origin, asked } = leading(() => store.origin);
    const reach = { private: false, loopback: false, insecure: true };
    const open = (but: string[]) => play.open({ origin, ...secrets, elsewhere: { reach, but } });
    for (const but of [[], ["*.test"]])
      expect(await failureOf(open(but).blob("a/b", digest, { signal }))).toMatchObject({ problem: "out-of-bounds" });
    expect(asked).not.toEqual([]);
    expect(store.asked).toEqual([]);
    expect(await open(["127.0.0.1:*"]).blob("a/b", digest, { signal })).toMatchObject({ sizeBytes: 5 });
  });

  test("to an address that is out of reach is not followed", async () => {
    for (const location of [
      "http://10.1.2.3/",
      "http://169.254.169.254/",
      "http://[::ffff:10.0.0.1]/",
      "http://inner.test/",
    ]) {
      const { origin } = leading(() => location);
      const remote = play.open({ origin, ...secrets }, { resolve: async () => ["192.168.1.1"] });
      const failure = await failureOf(remote.blob("a/b", digest, { signal }));
      expect(failure).toMatchObject({ problem: "out-of-bounds" });
      expect(failure.message).toMatch(/a (?:private|special) address/);
    }
  });

  test.each([
    ["without an end", "/v2/", "nonsense"],
    ["to nowhere", "http://", "nonsense"],
    ["to a file", "file:///etc/passwd", "out-of-bounds"],
    ["with a password", "http://user:pass@127.0.0.1/", "out-of-bounds"],
  ])("%s is not followed", async (_, location, problem) => {
    const { origin, asked } = leading(() => location);
    const failure = await failureOf(play.open({ origin, ...secrets }).blob("a/b", digest, { signal }));
    expect(failure.problem).toBe(problem as never);
    expect(asked.length).toBeLessThan(10);
  });

  test("of what is written is not followed", async () => {
    const other = play.serve(() => new Response(null, { status: 201 }));
    const { origin } = leading(() => other.origin);
    const bytes = Buffer.from("{}");
    const failure = await failureOf(
      play.open({ origin, ...secrets }).putManifest("a/b", tag, { mediaType: "application/json", bytes }, { signal }),
    );
    expect(failure.problem).toBe("nonsense");
    expect(other.asked).toEqual([]);
  });

  test.each(["Basic", 'Bearer realm="ORIGIN/token"'])(
    "to somebody who wants %s is answered by nothing",
    async (wanted) => {
      let registry = "";
      const store = play.serve(() => {
        const challenge = wanted.replace("ORIGIN", registry);
        return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
      });
      const { origin, asked } = play.serve(() => to(store.origin));
      registry = origin;
      let reads = 0;
      const credentials = {
        async read() {
          reads++;
          return { user: "me", password: "a-password" };
        },
      };
      const failure = await failureOf(play.open({ origin, credentials }).blob("a/b", digest, { signal }));
      expect(failure).toMatchObject({ problem: "denied" });
      expect([asked.length, store.asked.length, reads]).toEqual([1, 1, 0]);
    },
  );
});

describe("where a registry may be", () => {
  const names = { resolve: async () => ["127.0.0.1"] };

  test("by default neither on this machine nor without TLS", async () => {
    const { origin, port, asked } = play.serve(() => manifestReply());
    const reach = { private: false, loopback: false, insecure: false };
    for (const where of [origin, `https://registry.test:${port}`, `https://[::ffff:127.0.0.1]:${port}`]) {
      const failure = await failureOf(play.open({ origin: where, reach }, names).ping({ signal }));
      expect(failure).toMatchObject({ problem: "out-of-bounds" });
    }
    const isPrivate = play.open({ origin, reach: { ...reach, insecure: true, private: true } });
    expect(await failureOf(isPrivate.ping({ signal }))).toMatchObject({ problem: "out-of-bounds" });
    expect(asked).toEqual([]);
  });

  test("a name that leads elsewhere the second time is looked at again", async () => {
    const answers = [["127.0.0.1"], ["10.0.0.1"]];
    const { port } = await play.raw((socket) => {
      socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    });
    const remote = play.open(
      { origin: `http://registry.test:${port}` },
      { resolve: async () => answers.shift() ?? [] },
    );
    await remote.ping({ signal });
    expect(await failureOf(remote.ping({ signal }))).toMatchObject({ problem: "out-of-bounds" });
    expect(answers).toEqual([]);
  });

  test("a name that is not known is not there", async () => {
    const remote = play.open({ origin: "http://registry.test" }, { resolve: async () => [] });
    const failure = await failureOf(remote.ping({ signal }));
    expect(failure).toMatchObject({ problem: "unavailable" });
    expect(failure.message).toContain("its name is not known");
  });

  test.each(["ftp://a", "http://a/path", "http://u:p@a", "http://a?x", "a", ""])("%p is no address", (origin) => {
    expect(() => play.open({ origin })).toThrow("no address of a registry");
  });
});

describe("over TLS", () => {
  const validity = { from: new Date(), days: 1 };
  const authority = makeAuthority("Authority of a test", validity);

  test("only who a named authority vouches for, by the name that was asked for", async () => {
    const { certificate } = await authority;
    const pair = await makeServerPair(await authority, ["registry.test"], validity);
    const { port } = play.serve(() => manifestReply(), { key: pair.key, cert: pair.certificate });
    const parts = { resolve: async () => ["127.0.0.1"] };
    const reach = { ...onThisMachine, insecure: false };
    const open = (host: string, authorities?: string) =>
      play.open({ origin: `https://${host}:${port}`, reach, authorities }, parts);
    expect(await open("registry.test", certificate).manifest("a/b", tag, { signal })).toMatchObject({
      mediaType: expect.any(String),
    });
    for (const remote of [open("registry.test"), open("other.test", certificate), open("127.0.0.1", certificate)])
      expect(await failureOf(remote.manifest("a/b", tag, { signal }))).toMatchObject({ problem: "unavailable" });
  });

  test("a redirect leads nowhere without it", async () => {
    const pair = await makeServerPair(await authority, ["registry.test"], validity);
    const plain = play.serve(() => new Response("bytes"));
    const { port } = play.serve(() => to(plain.origin), { key: pair.key, cert: pair.certificate });
    const authorities = (await authority).certificate;
    const remote = play.open(
      { origin: `https://registry.test:${port}`, authorities },
      { resolve: async () => ["127.0.0.1"] },
    );
    const failure = await failureOf(remote.blob("a/b", digest, { signal }));
    expect(failure).toMatchObject({ problem: "out-of-bounds" });
    expect(failure.message).toContain("no TLS");
    expect(plain.asked).toEqual([]);
  });
});
