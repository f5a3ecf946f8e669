import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { Digest } from "../../domain/names.ts";
import { createPlayground, failureOf, signal, tag } from "./testing.ts";

const play = createPlayground();
const content = Buffer.alloc(3 * 1024 * 1024, "abcdefg");
const digest = `sha256:${createHash("sha256").update(content).digest("hex")}` as Digest;
const blob = { digest, sizeBytes: content.length };

async function* pieces(offset: number) {
  for (let at = offset; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000);
}

/** A registry that keeps one upload, and fails when it is told to. */
function keeping(fail: (request: Request, url: URL) => Response | "cut" | undefined = () => undefined) {
  const state = { bytes: Buffer.alloc(0), uploads: 0, done: false };
  const registry = play.serve(async (request, url) => {
    const failure = fail(request, url);
    if (failure instanceof Response) return failure;
    const place = {
      location: `/v2/a/b/blobs/uploads/${state.uploads}?_state=x%3D`,
      range: `0-${Math.max(0, state.bytes.length - 1)}`,
    };
    switch (request.method) {
      case "HEAD":
        return new Response(null, {
          status: state.done ? 200 : 404,
          headers: { "content-length": `${content.length}` },
        });
      case "POST":
        state.uploads++;
        state.bytes = Buffer.alloc(0);
        return new Response(null, {
          status: 202,
          headers: { location: `/v2/a/b/blobs/uploads/${state.uploads}?_state=x%3D` },
        });
      case "GET":
        return url.pathname.endsWith(`/${state.uploads}`) && state.uploads > 0
          ? new Response(null, { status: 204, headers: place })
          : new Response(null, { status: 404 });
      default: {
        const range = request.headers.get("content-range");
        if (range && Number(range.split("-")[0]) !== state.bytes.length) return new Response(null, { status: 416 });
        let took = 0;
        for await (const chunk of request.body ?? []) {
          state.bytes = Buffer.concat([state.bytes, chunk]);
          took += chunk.byteLength;
          if (failure === "cut" && took >= 1_000_000) return new Response("", { status: 500 });
        }
        if (request.method === "PATCH") return new Response(null, { status: 202, headers: place });
        state.done = url.searchParams.get("digest") === digest && state.bytes.equals(content);
        return new Response(null, { status: state.done ? 201 : 400 });
      }
    }
  });
  return { ...registry, state, methods: () => registry.asked.map(({ method }) => method) };
}

describe("a blob", () => {
  test("is sent as a stream of known length, and counted", async () => {
    const { origin, state, methods, asked } = keeping();
    let sent = 0;
    const kept: string[] = [];
    await play.open({ origin }).putBlob("a/b", blob, pieces, {
      signal,
      sent: (bytes) => {
        sent += bytes;
      },
      upload: { keep: async (location) => void kept.push(location) },
    });
    expect([state.done, sent]).toEqual([true, content.length]);
    expect(methods()).toEqual(["POST", "PATCH", "PUT"]);
    expect(asked[1]?.headers["content-length"]).toBe(`${content.length}`);
    expect(asked[2]?.path).toBe(`/v2/a/b/blobs/uploads/1?_state=x%3D&digest=${digest}`);
    expect(kept).toEqual([`${origin}/v2/a/b/blobs/uploads/1?_state=x%3D`]);
  });

  test("that is small goes with the request that ends the upload; so does an empty one", async () => {
    for (const text of ["{}", ""]) {
      const { origin, asked } = play.serve(
        (request) =>
          new Response(null, {
            status: request.method === "POST" ? 202 : 201,
            headers: { location: "/v2/a/b/blobs/uploads/1" },
          }),
      );
      const small = { digest, sizeBytes: text.length };
      await play.open({ origin }).putBlob(
        "a/b",
        small,
        async function* () {
          yield Buffer.from(text);
        },
        { signal },
      );
      expect(asked.map(({ method, headers }) => [method, headers["content-length"]])).toEqual([
        ["POST", "0"],
        ["PUT", `${text.length}`],
      ]);
    }
  });

  test("goes on after a failure from where it arrived", async () => {
    let failures = 2;
    const { origin, state, methods, asked } = keeping((request) =>
      request.method === "PATCH" && failures-- > 0 ? "cut" : undefined,
    );
    const offsets: number[] = [];
    await play.open({ origin }).putBlob(
      "a/b",
      blob,
      (offset) => {
        offsets.push(offset);
        return pieces(offset);
      },
      { signal },
    );
    expect(state.done).toBe(true);
    expect(methods()).toEqual(["POST", "PATCH", "GET", "PATCH", "GET", "PATCH", "PUT"]);
    expect(offsets.length).toBe(3);
    expect(offsets[1]).toBeGreaterThanOrEqual(1_000_000);
    expect(offsets[2]).toBeGreaterThanOrEqual(2_000_000);
    expect(asked[3]?.headers["content-range"]).toBe(`${offsets[1]}-${content.length - 1}`);
  });

  test("goes on where an earlier attempt began it", async () => {
    const { origin, state, methods } = keeping();
    const remote = play.open({ origin });
    let begun = "";
    const reading = remote.putBlob(
      "a/b",
      blob,
      async function* () {
        yield content.subarray(0, 2_000_000);
        while (state.bytes.length < 2_000_000) await Bun.sleep(1);
        throw new Error("the disk is gone");
      },
      {
        signal,
        upload: {
          async keep(location) {
            begun = location;
          },
        },
      },
    );
    await expect(reading).rejects.toThrow("the disk is gone");
    await remote.putBlob("a/b", blob, pieces, { signal, upload: { begun, keep: async () => {} } });
    expect(state.done).toBe(true);
    expect(methods()).toEqual(["POST", "PATCH", "GET", "PATCH", "PUT"]);
  });

  test("begins again where the upload is no more", async () => {
    const { origin, state, methods } = keeping();
    const begun = `${origin}/v2/a/b/blobs/uploads/of-yesterday`;
    const kept: string[] = [];
    await play.open({ origin }).putBlob("a/b", blob, pieces, {
      signal,
      upload: { begun, keep: async (location) => void kept.push(location) },
    });
    expect(state.done).toBe(true);
    expect(methods()).toEqual(["GET", "POST", "PATCH", "PUT"]);
    expect(kept.length).toBe(1);
  });

  test("is there when only the answer was lost", async () => {
    const { origin, state } = keeping((request) => {
      if (!state.done && request.method === "PUT") {
        state.done = true;
        state.uploads = 0;
        return new Response("", { status: 502 });
      }
      return undefined;
    });
    await play.open({ origin }).putBlob("a/b", blob, pieces, { signal });
    expect(state.uploads).toBe(0);
  });

  test("is given up after a few failures, and at once when it is refused", async () => {
    const failing = keeping((request) => (request.method === "PATCH" ? new Response("", { status: 500 }) : undefined));
    expect(
      await failureOf(play.open({ origin: failing.origin }).putBlob("a/b", blob, pieces, { signal })),
    ).toMatchObject({
      problem: "unavailable",
    });
    expect(failing.methods().filter((method) => method === "PATCH").length).toBe(5);
    for (const [status, problem] of [
      [413, "refused"],
      [403, "denied"],
      [429, "throttled"],
    ] as const) {
      const refusing = keeping((request) => (request.method === "PATCH" ? new Response("", { status }) : undefined));
      const failure = await failureOf(play.open({ origin: refusing.origin }).putBlob("a/b", blob, pieces, { signal }));
      expect(failure.problem).toBe(problem);
      expect(refusing.methods().filter((method) => method === "PATCH").length).toBe(1);
    }
  });

  test("that cannot be read, or is shorter than it should be, is no failure of the registry", async () => {
    const { origin, state } = keeping();
    const remote = play.open({ origin });
    const broken = remote.putBlob(
      "a/b",
      blob,
      async function* () {
        yield content.subarray(0, 10);
        throw new Error("the disk is gone");
      },
      { signal },
    );
    await expect(broken).rejects.toThrow("the disk is gone");
    for (const sizeBytes of [content.length + 1, content.length - 1])
      await expect(remote.putBlob("a/b", { digest, sizeBytes }, pieces, { signal })).rejects.toThrow("bytes to send");
    expect(state.done).toBe(false);
  });

  test.each([
    ["http://evil.test/upload", "out-of-bounds"],
    ["//127.0.0.1:1/upload", "out-of-bounds"],
    ["http://me:pass@HOST/upload", "out-of-bounds"],
    ["", "nonsense"],
    [`/${"x".repeat(10_000)}`, "nonsense"],
  ])("is not sent to %p", async (location, problem) => {
    const { origin, asked } = play.serve((request) => {
      const named = location.replace("HOST", new URL(request.url).host);
      return new Response(null, { status: 202, headers: { location: named } });
    });
    const failure = await failureOf(play.open({ origin }).putBlob("a/b", blob, pieces, { signal }));
    expect(failure.problem).toBe(problem as never);
    expect(asked.length).toBe(1);
  });

  test("that was begun elsewhere is not sent there", async () => {
    const { origin, asked } = keeping();
    const upload = { begun: "http://evil.test/upload", keep: async () => {} };
    const failure = await failureOf(play.open({ origin }).putBlob("a/b", blob, pieces, { signal, upload }));
    expect(failure.problem).toBe("out-of-bounds");
    expect(asked).toEqual([]);
  });

  test("is not read faster than the registry takes it", async () => {
    const { origin } = await play.raw((socket, head) => {
      if (head.startsWith("POST")) socket.write("HTTP/1.1 202 OK\r\nlocation: /upload\r\ncontent-length: 0\r\n\r\n");
      else socket.pause();
    });
    let produced = 0;
    const ending = new AbortController();
    const sizeBytes = 1024 ** 3;
    const sending = play.open({ origin }).putBlob(
      "a/b",
      { digest, sizeBytes },
      async function* () {
        for (const piece = new Uint8Array(1024 * 1024); produced < sizeBytes; produced += piece.length) yield piece;
      },
      { signal: ending.signal },
    );
    let before = -1;
    while (produced !== before || produced === 0) {
      before = produced;
      await Bun.sleep(50);
    }
    expect(produced).toBeLessThan(64 * 1024 * 1024);
    ending.abort(new Error("enough"));
    await expect(sending).rejects.toThrow("enough");
  });
});

describe("a mount", () => {
  test("is done, or its upload is cancelled", async () => {
    const { origin, asked } = play.serve((request, url) => {
      if (request.method === "DELETE") return new Response(null, { status: 204 });
      const status = url.searchParams.get("from") === "c/d" ? 201 : 202;
      return new Response(null, { status, headers: { location: "/v2/a/b/blobs/uploads/1" } });
    });
    const remote = play.open({ origin });
    expect(await remote.mountBlob("a/b", digest, "c/d", { signal })).toBe(true);
    expect(await remote.mountBlob("a/b", digest, "e/f", { signal })).toBe(false);
    expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `POST /v2/a/b/blobs/uploads/?mount=${digest}&from=c%2Fd`,
      `POST /v2/a/b/blobs/uploads/?mount=${digest}&from=e%2Ff`,
      "DELETE /v2/a/b/blobs/uploads/1",
    ]);
  });
});

describe("a manifest", () => {
  const manifest = { mediaType: "application/vnd.oci.image.index.v1+json", bytes: Buffer.from("{}") };

  test("is sent with its type, and what is wrong with it is told", async () => {
    const { origin, asked } = play.serve(
      (request) => new Response(null, { status: request.url.endsWith("v1") ? 201 : 400 }),
    );
    const remote = play.open({ origin });
    await remote.putManifest("a/b", tag, manifest, { signal });
    expect(asked[0]).toMatchObject({ method: "PUT", path: "/v2/a/b/manifests/v1" });
    expect(asked[0]?.headers).toMatchObject({ "content-type": manifest.mediaType, "content-length": "2" });
    expect(await failureOf(remote.putManifest("a/b", { digest }, manifest, { signal }))).toMatchObject({
      problem: "refused",
    });
    expect(asked[1]?.path).toBe(`/v2/a/b/manifests/${digest}`);
  });

  test("is deleted, or was not there", async () => {
    const status = { now: 202 };
    const { origin } = play.serve(() => new Response(null, { status: status.now }));
    const remote = play.open({ origin });
    expect(await remote.deleteManifest("a/b", { digest }, { signal })).toBe(true);
    status.now = 404;
    expect(await remote.deleteManifest("a/b", { digest }, { signal })).toBe(false);
    status.now = 405;
    expect(await failureOf(remote.deleteManifest("a/b", { digest }, { signal }))).toMatchObject({ problem: "refused" });
  });
});
