import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { Digest } from "../../domain/names.ts";
import { createPlayground, digest, drained, failureOf, manifestReply, manifestType, signal, tag } from "./testing.ts";

const play = createPlayground();
const digestOf = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}` as Digest;
const of = (handler: Parameters<typeof play.serve>[0]) => {
  const { origin, asked } = play.serve(handler);
  return { remote: play.open({ origin }), methods: () => asked.map(({ method }) => method) };
};

describe("a manifest", () => {
  test("is asked for in all forms that are known, and comes with its type alone", async () => {
    const { origin, asked } = play.serve(
      () => new Response("{}", { headers: { "content-type": `${manifestType}; charset=utf-8` } }),
    );
    const read = await play.open({ origin }).manifest("a", tag, { signal });
    expect(read).toEqual({ mediaType: manifestType, bytes: Buffer.from("{}") });
    expect(asked[0]?.path).toBe("/v2/a/manifests/v1");
    for (const type of [manifestType, "application/vnd.oci.image.index.v1+json", "application/vnd.docker."])
      expect(asked[0]?.headers.accept).toContain(type);
  });

  test("that is still the same is not read, where the registry says so by its head", async () => {
    const { remote, methods } = of(() => {
      const reply = manifestReply();
      reply.headers.set("docker-content-digest", digestOf("{}"));
      return reply;
    });
    expect(await remote.manifest("a/b", tag, { signal, unless: digestOf("{}") })).toBe("unchanged");
    expect(methods()).toEqual(["HEAD"]);
    expect(await remote.manifest("a/b", tag, { signal, unless: digest })).toMatchObject({ mediaType: manifestType });
  });

  test("that is still the same is known by its bytes, where the registry says nothing or nonsense", async () => {
    const { remote } = of(() => {
      const reply = manifestReply();
      reply.headers.set("docker-content-digest", "sha256:x");
      return reply;
    });
    expect(await remote.manifest("a/b", tag, { signal, unless: digestOf("{}") })).toBe("unchanged");
    expect(await remote.statManifest("a/b", tag, { signal })).toEqual({ mediaType: manifestType, sizeBytes: 2 });
  });

  test("that is gone is not there, whichever way that is said", async () => {
    for (const [status, code] of [
      [404, "MANIFEST_UNKNOWN"],
      [404, "X"],
      [400, "NAME_UNKNOWN"],
    ] as const) {
      const { remote } = of(() => Response.json({ errors: [{ code }] }, { status }));
      expect(await remote.manifest("a/b", tag, { signal })).toBeUndefined();
    }
    expect(
      await of(() => new Response("", { status: 404 })).remote.manifest("a/b", tag, { signal, unless: digest }),
    ).toBe(undefined);
  });

  test.each([
    [() => new Response("<html>", { headers: { "content-type": "text/html" } }), "nonsense"],
    [() => new Response("", { status: 204 }), "nonsense"],
    [() => new Response("{}", { status: 206 }), "nonsense"],
    [() => new Response("", { status: 403 }), "denied"],
    // Nobody says what is wanted.
    [() => new Response("", { status: 401 }), "denied"],
    [() => new Response("", { status: 401, headers: { "www-authenticate": "Negotiate" } }), "denied"],
    [() => new Response("", { status: 500 }), "unavailable"],
  ])("that is no manifest fails: %#", async (answer, problem) => {
    expect((await failureOf(of(answer).remote.manifest("a/b", tag, { signal }))).problem).toBe(problem as never);
  });

  test("says when to come again", async () => {
    const { remote } = of(() => new Response("", { status: 429, headers: { "retry-after": "30" } }));
    const failure = await failureOf(remote.manifest("a/b", tag, { signal }));
    expect(failure).toMatchObject({ problem: "throttled", facts: { status: 429, retryAfterMs: 30_000 } });
  });
});

describe("a blob", () => {
  test("has a size by its head, or by its beginning where heads are not answered", async () => {
    const bytes = new Uint8Array(1_000_000);
    const whole = of(() => new Response(bytes));
    expect(await whole.remote.statBlob("a/b", digest, { signal })).toEqual({ sizeBytes: bytes.length });
    expect(whole.methods()).toEqual(["HEAD"]);
    // A signed URL is good for one method.
    const store = play.serve((request) =>
      request.method === "GET" ? new Response(bytes) : new Response("", { status: 403 }),
    );
    const location = store.origin;
    const signed = of(() => new Response(null, { status: 307, headers: { location } }));
    const headless = of((request) =>
      request.method === "GET" ? new Response(bytes) : new Response("", { status: 405 }),
    );
    for (const { remote, methods } of [signed, headless]) {
      expect(await remote.statBlob("a/b", digest, { signal })).toEqual({ sizeBytes: bytes.length });
      expect(methods()).toEqual(["HEAD", "GET"]);
    }
  });

  test("is not there, or not for us", async () => {
    expect(
      await of(() => new Response("", { status: 404 })).remote.statBlob("a/b", digest, { signal }),
    ).toBeUndefined();
    const denied = of(() => new Response("", { status: 403 }));
    expect((await failureOf(denied.remote.statBlob("a/b", digest, { signal }))).problem).toBe("denied");
    expect(denied.methods()).toEqual(["HEAD"]);
  });

  test("comes from its beginning where the registry knows no ranges", async () => {
    const { remote } = of(() => new Response("0123456789"));
    const blob = await remote.blob("a/b", digest, { signal, offset: 4 });
    expect(blob).toMatchObject({ offset: 0, sizeBytes: 10 });
    expect(await drained(blob?.bytes ?? (async function* () {})())).toBe(10);
  });

  test.each([
    ["bytes 5-9/10", "nonsense"],
    ["bytes */10", "nonsense"],
    ["4-9", "nonsense"],
    [undefined, "nonsense"],
  ])("with another range than was asked for is none: %p", async (range, problem) => {
    const { remote } = of(
      () => new Response("456789", { status: 206, headers: range === undefined ? {} : { "content-range": range } }),
    );
    expect((await failureOf(remote.blob("a/b", digest, { signal, offset: 4 }))).problem).toBe(problem as never);
  });

  test("of a size that nobody knows comes in part", async () => {
    const { remote } = of(() => new Response("456789", { status: 206, headers: { "content-range": "bytes 4-9/*" } }));
    const blob = await remote.blob("a/b", digest, { signal, offset: 4 });
    expect([blob?.offset, blob?.sizeBytes]).toEqual([4, undefined]);
  });

  test("that ends before the offset is refused", async () => {
    const { remote } = of(() => new Response("", { status: 416 }));
    const failure = await failureOf(remote.blob("a/b", digest, { signal, offset: 4 }));
    expect(failure).toMatchObject({ problem: "refused", facts: { status: 416 } });
  });
});
