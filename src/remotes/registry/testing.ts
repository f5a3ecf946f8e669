import { afterEach } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import type { Digest, Tag } from "../../domain/names.ts";
import type { RemoteFailure, RemoteRegistry, RemoteTarget } from "../../domain/registry/remote-registry.ts";
import { createRemotes, type RemotesParts } from "./index.ts";

/** Small registries of this machine, honest and hostile, and what opens them. All end with the test. */

export const signal = new AbortController().signal;
export const tag = { tag: "v1" as Tag };
export const digest = `sha256:${"a".repeat(64)}` as Digest;
export const onThisMachine = { private: false, loopback: true, insecure: true };

export interface Asked {
  readonly method: string;
  readonly host: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Record<string, string>;
}

type Handler = (request: Request, url: URL) => Response | Promise<Response>;

export interface Playground {
  /** A server whose requests are taken down. */
  serve(handler: Handler, tls?: { key: string; cert: string }): { origin: string; port: number; asked: Asked[] };
  /** A server that answers each request head by what it is told, byte by byte. */
  raw(answer: (socket: Socket, head: string) => void): Promise<{ origin: string; port: number; connections(): number }>;
  open(target: Partial<RemoteTarget> & { readonly origin: string }, parts?: RemotesParts): RemoteRegistry;
}

export function createPlayground(): Playground {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  return {
    serve(handler, tls) {
      const asked: Asked[] = [];
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        idleTimeout: 0,
        tls,
        fetch(request) {
          const url = new URL(request.url);
          const { method } = request;
          const headers = Object.fromEntries(request.headers);
          asked.push({ method, host: url.host, path: url.pathname + url.search, headers });
          return handler(request, url);
        },
      });
      closing.push(() => server.stop(true));
      const port = server.port ?? 0;
      return { origin: `${tls ? "https" : "http"}://127.0.0.1:${port}`, port, asked };
    },
    async raw(answer) {
      const sockets = new Set<Socket>();
      let connections = 0;
      const server: Server = createServer((socket) => {
        connections++;
        sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => sockets.delete(socket));
        let head = "";
        socket.on("data", (data) => {
          head += data.toString("latin1");
          for (let end = head.indexOf("\r\n\r\n"); end >= 0; end = head.indexOf("\r\n\r\n")) {
            const one = head.slice(0, end);
            head = head.slice(end + 4);
            answer(socket, one);
          }
        });
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      closing.push(() => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
      const { port } = server.address() as { port: number };
      return { origin: `http://127.0.0.1:${port}`, port, connections: () => connections };
    },
    open(target, parts) {
      const remotes = createRemotes({ pauseMs: 1, ...parts });
      closing.push(() => remotes.close());
      return remotes.open({ reach: onThisMachine, ...target });
    },
  };
}

/** What came of it, where it failed; for what went well, and for other errors, an error. */
export async function failureOf(promise: Promise<unknown>): Promise<RemoteFailure> {
  const failed = await promise.then(
    (value) => {
      throw new Error(`it went well: ${JSON.stringify(value)}`);
    },
    (error) => error,
  );
  if (failed.name !== "RemoteFailure") throw failed;
  return failed;
}

export async function drained(bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let sizeBytes = 0;
  for await (const chunk of bytes) sizeBytes += chunk.byteLength;
  return sizeBytes;
}

export const user = (user = "me", password = "a-password") => ({ read: async () => ({ user, password }) });

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
export const manifestReply = (body = "{}") => new Response(body, { headers: { "content-type": manifestType } });
