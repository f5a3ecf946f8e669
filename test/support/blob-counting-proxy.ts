import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Stands in front of a registry that others send blobs to, and counts what arrives there: by digest, and what came of it.
 * Tests may cut connections.
 */
export interface BlobCountingProxy {
  readonly url: string;
  /** Where it sends on to; it may change. */
  target: string;
  /** Bytes of bodies that ended an upload or were added to one. */
  readonly blobBytes: number;
  /** Digests whose bytes were sent once more after the registry had said that it has them. */
  readonly again: readonly string[];
  /** Digests that the registry said it has, as an answer to bytes. */
  readonly arrived: ReadonlySet<string>;
  /** `Content-Range` of each chunk, as it came. */
  readonly ranges: readonly string[];
  /** Ends the next connection that carries more than so many bytes of a blob. */
  cutAfter(bytes: number): void;
  readonly requests: number;
  close(): Promise<void>;
}

export async function startBlobCountingProxy(target: string): Promise<BlobCountingProxy> {
  const arrived = new Set<string>();
  const again: string[] = [];
  const ranges: string[] = [];
  const state = { target, blobBytes: 0, cutAfter: Number.POSITIVE_INFINITY, requests: 0 };

  function pass(asked: IncomingMessage, answer: ServerResponse): void {
    state.requests++;
    const url = new URL(asked.url ?? "/", state.target);
    const digest = url.searchParams.get("digest") ?? "";
    const carriesBlob = url.pathname.includes("/blobs/uploads/") && asked.method !== "GET";
    const range = asked.headers["content-range"];
    if (range !== undefined) ranges.push(range);
    let sent = 0;
    const onward = request(
      url,
      { method: asked.method, headers: { ...asked.headers, host: url.host }, agent: false },
      (reply) => {
        const isDone = reply.statusCode === 201 && digest !== "";
        if (isDone && sent > 0 && arrived.has(digest)) again.push(digest);
        if (isDone) arrived.add(digest);
        answer.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(answer);
        reply.on("error", () => asked.socket.destroy());
      },
    );
    onward.on("error", () => {
      if (!answer.headersSent) answer.writeHead(502).end();
      else asked.socket.destroy();
    });
    answer.on("close", () => onward.destroy());
    asked.on("error", () => onward.destroy());
    let isCut = false;
    asked.on("data", (chunk: Buffer) => {
      if (isCut) return;
      if (carriesBlob) state.blobBytes += chunk.length;
      sent += chunk.length;
      if (sent > state.cutAfter) {
        state.cutAfter = Number.POSITIVE_INFINITY;
        isCut = true;
        // What came so far gets through: the registry keeps it.
        onward.write(chunk, () => setTimeout(() => asked.socket.destroy(), 50));
        return;
      }
      if (!onward.write(chunk)) {
        asked.pause();
        onward.once("drain", () => asked.resume());
      }
    });
    asked.on("end", () => onward.end());
  }

  const server = createServer(pass);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get target() {
      return state.target;
    },
    set target(url) {
      state.target = url;
    },
    get blobBytes() {
      return state.blobBytes;
    },
    get requests() {
      return state.requests;
    },
    again,
    arrived,
    ranges,
    cutAfter(bytes) {
      state.cutAfter = bytes;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
