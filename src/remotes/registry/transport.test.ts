import { describe, expect, test } from "bun:test";
import { createPlayground, digest, drained, failureOf, manifestReply, onThisMachine, signal, tag } from "./testing.ts";

const play = createPlayground();
const head = (status: string, ...lines: string[]) => `HTTP/1.1 ${status}\r\n${lines.join("\r\n")}\r\n\r\n`;
const manifestHead = (sizeBytes: number) =>
  head("200 OK", "content-type: application/json", `content-length: ${sizeBytes}`);

async function blobOf(origin: string, parts?: Parameters<typeof play.open>[1]) {
  const blob = await play.open({ origin }, parts).blob("a/b", digest, { signal });
  if (!blob) throw new Error("there is no blob");
  return blob;
}

describe("a body that does not end as it should is a failure", () => {
  test("cut by the end of the connection", async () => {
    const { origin } = await play.raw((socket) => socket.end(`${manifestHead(1000)}abc`));
    const { bytes } = await blobOf(origin);
    expect(await failureOf(drained(bytes))).toMatchObject({ problem: "unavailable" });
  });

  test("cut by a reset", async () => {
    const { origin } = await play.raw((socket) => {
      socket.write(`${manifestHead(1000)}abc`);
      setTimeout(() => socket.resetAndDestroy(), 20);
    });
    const { bytes } = await blobOf(origin);
    expect(await failureOf(drained(bytes))).toMatchObject({ problem: "unavailable" });
  });

  test("cut between chunks", async () => {
    const { origin } = await play.raw((socket) =>
      socket.end(`${head("200 OK", "transfer-encoding: chunked")}3\r\nabc\r\n`),
    );
    const { bytes } = await blobOf(origin);
    expect(await failureOf(drained(bytes))).toMatchObject({ problem: "unavailable" });
  });

  test("silent in the middle", async () => {
    const { origin } = await play.raw((socket) => socket.write(`${manifestHead(1000)}abc`));
    const { bytes } = await blobOf(origin, { patience: { idleMs: 50 } });
    const failure = await failureOf(drained(bytes));
    expect(failure).toMatchObject({ problem: "unavailable" });
    expect(failure.message).toContain("sent nothing more within 0.05 seconds");
  });

  test("a manifest as well", async () => {
    const { origin } = await play.raw((socket) => socket.end(`${manifestHead(1000)}abc`));
    expect(await failureOf(play.open({ origin }).manifest("a/b", tag, { signal }))).toMatchObject({
      problem: "unavailable",
    });
  });
});

describe("time-outs", () => {
  test("nobody answers", async () => {
    const { origin } = await play.raw(() => {});
    const remote = play.open({ origin }, { patience: { firstByteMs: 50 } });
    expect((await failureOf(remote.ping({ signal }))).message).toContain("did not answer within 0.05 seconds");
  });

  test("a manifest that comes byte by byte", async () => {
    const { origin } = await play.raw(async (socket) => {
      socket.write(manifestHead(1_000));
      for (let count = 0; count < 1_000 && !socket.destroyed; count++) {
        socket.write("x");
        await Bun.sleep(10);
      }
    });
    const remote = play.open({ origin }, { patience: { wholeMs: 100 } });
    const failure = await failureOf(remote.manifest("a/b", tag, { signal }));
    expect(failure.message).toContain("did not send all within 0.1 seconds");
  });

  test("nobody speaks TLS", async () => {
    const { port } = await play.raw(() => {});
    const remote = play.open({ origin: `https://127.0.0.1:${port}` }, { patience: { connectMs: 50 } });
    const failure = await failureOf(remote.ping({ signal }));
    expect(failure.message).toContain("took no connection within 0.05 seconds");
  });

  test("a reader may take all the time it wants", async () => {
    const content = Buffer.alloc(8 * 1024 * 1024);
    const { origin } = play.serve(() => new Response(content));
    const { bytes } = await blobOf(origin, { patience: { idleMs: 50 } });
    let sizeBytes = 0;
    for await (const chunk of bytes) {
      if (sizeBytes === 0) await Bun.sleep(150);
      sizeBytes += chunk.byteLength;
    }
    expect(sizeBytes).toBe(content.length);
  });

  test("nobody listens", async () => {
    const { origin } = play.serve(() => new Response());
    const [, port = ""] = /:(\d+)$/.exec(origin) ?? [];
    const remote = play.open({ origin: `http://127.0.0.1:${Number(port) === 1 ? 2 : 1}` });
    const failure = await failureOf(remote.ping({ signal }));
    expect(failure).toMatchObject({ problem: "unavailable" });
    expect(failure.message).toContain("nobody listens there");
  });
});

describe("limits", () => {
  test("a manifest is 4 MiB at the most, announced or not", async () => {
    const tooMuch = new Uint8Array(4 * 1024 * 1024 + 1);
    const announced = play.serve(() => new Response(tooMuch));
    const streamed = play.serve(
      () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              controller.enqueue(tooMuch.subarray(0, 1024 * 1024));
            },
          }),
        ),
    );
    for (const { origin } of [announced, streamed]) {
      const failure = await failureOf(play.open({ origin }).manifest("a/b", tag, { signal }));
      expect(failure).toMatchObject({ problem: "nonsense" });
      expect(failure.message).toContain("more than 4194304 bytes");
    }
  });

  test("a head is 64 KiB at the most", async () => {
    const { origin } = await play.raw((socket) => {
      socket.write(
        head("200 OK", ...Array.from({ length: 200 }, (_, at) => `x-${at}: ${"y".repeat(1000)}`), "content-length: 0"),
      );
    });
    expect(await failureOf(play.open({ origin }).ping({ signal }))).toMatchObject({ problem: "unavailable" });
  });

  test("what is no HTTP", async () => {
    const { origin } = await play.raw((socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n\r\n"));
    expect(await failureOf(play.open({ origin }).ping({ signal }))).toMatchObject({ problem: "unavailable" });
  });

  test("what is packed, though nobody asked for it, is no manifest", async () => {
    const { origin, asked } = play.serve(
      () => new Response(Bun.gzipSync(Buffer.from("{}")), { headers: { "content-encoding": "gzip" } }),
    );
    expect(await failureOf(play.open({ origin }).manifest("a/b", tag, { signal }))).toMatchObject({
      problem: "nonsense",
    });
    expect(asked[0]?.headers["accept-encoding"]).toBe("identity");
  });
});

describe("connections", () => {
  test("are used again, by all that are opened", async () => {
    const { origin, connections } = await play.raw((socket) => socket.write(`${manifestHead(2)}{}`));
    const remote = play.open({ origin });
    for (let count = 0; count < 10; count++) await remote.manifest("a/b", tag, { signal });
    expect(connections()).toBeLessThan(3);
  });

  test("that the other side closed meanwhile are not noticed", async () => {
    let isFirst = true;
    const { origin, connections } = await play.raw((socket) => {
      // The second request on a connection finds it closed, as a time-out of the server does by chance.
      if (!isFirst && connections() === 1) return socket.resetAndDestroy();
      isFirst = false;
      socket.write(`${manifestHead(2)}{}`);
    });
    const remote = play.open({ origin });
    await remote.manifest("a/b", tag, { signal });
    // The connection goes back into the pool in a turn of its own.
    await Bun.sleep(5);
    expect(await remote.manifest("a/b", tag, { signal })).toMatchObject({ mediaType: "application/json" });
    expect(connections()).toBe(2);
  });

  test("end when nobody reads on", async () => {
    const closed = Promise.withResolvers<void>();
    const { origin } = play.serve(
      () =>
        new Response(
          new ReadableStream({
            async pull(controller) {
              await Bun.sleep(1);
              controller.enqueue(new Uint8Array(65_536));
            },
            cancel: () => closed.resolve(),
          }),
        ),
    );
    const { bytes } = await blobOf(origin);
    for await (const chunk of bytes) if (chunk.byteLength > 0) break;
    await closed.promise;
  });

  test("end with the signal, and its reason is what is thrown", async () => {
    const { origin } = await play.raw((socket) => socket.write(`${manifestHead(1000)}abc`));
    const ending = new AbortController();
    const blob = await play.open({ origin }).blob("a/b", digest, { signal: ending.signal });
    const reason = new Error("enough");
    const reading = drained(blob?.bytes ?? (async function* () {})());
    ending.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await expect(play.open({ origin }).ping({ signal: ending.signal })).rejects.toBe(reason);
  });

  test("lead to one of several addresses", async () => {
    const { port } = play.serve(() => manifestReply());
    // Nobody listens at the first.
    const parts = { resolve: async () => ["127.0.0.2", "127.0.0.1"] };
    const remote = play.open({ origin: `http://registry.test:${port}` }, parts);
    expect(await remote.manifest("a/b", tag, { signal })).toMatchObject({ mediaType: expect.any(String) });
  });

  test("go through no proxy of the environment", async () => {
    const { origin } = play.serve(() => manifestReply());
    const proxy = play.serve(() => manifestReply());
    const script = `
      import { createRemotes } from "${import.meta.dir}/index.ts";
      const remote = createRemotes().open({ origin: "${origin}", reach: ${JSON.stringify(onThisMachine)} });
      const answer = await remote.manifest("a/b", { tag: "v1" }, { signal: new AbortController().signal });
      console.log(answer.mediaType);
      process.exit(0);`;
    const env = { ...process.env, HTTP_PROXY: proxy.origin, http_proxy: proxy.origin, NODE_USE_ENV_PROXY: "1" };
    const child = Bun.spawn([process.execPath, "-e", script], { env, stdout: "pipe" });
    expect((await new Response(child.stdout).text()).trim()).toBe("application/vnd.oci.image.manifest.v1+json");
    expect(proxy.asked).toEqual([]);
  });
});
