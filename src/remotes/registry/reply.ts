import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Bytes } from "../../domain/registry/ports.ts";
import { RemoteFailure } from "../../domain/registry/remote-registry.ts";
import { networkFailure } from "./failures.ts";

/** An answer, of which the head has come. Its body must be read or discarded: it has a connection until then. */
export interface Reply {
  readonly status: number;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** The body as it comes, as many bytes as were announced. Whoever stops reading ends the connection. @throws RemoteFailure */
  bytes(): Bytes;
  /** @throws RemoteFailure for more than `maxBytes` */
  whole(maxBytes: number): Promise<Buffer>;
  /** Nobody wants the body. */
  discard(): void;
}

/** Read to the end for the sake of the connection, when nobody wants it. */
const maxDiscardedBytes = 64 * 1024;

export function replyOf(
  url: URL,
  asked: ClientRequest,
  response: IncomingMessage,
  { idleMs, wholeMs, signal }: { readonly idleMs: number; readonly wholeMs: number; readonly signal: AbortSignal },
): Reply {
  // Errors come while nobody reads, too.
  response.on("error", () => {});
  const announced = lengthIn(response.headers);
  const isHead = asked.method === "HEAD";
  // Whoever answered before all was sent does not read the rest.
  const isHalfSent = !asked.writableEnded;
  if (isHead) response.resume();

  async function* bytes(): Bytes {
    if (isHead) return;
    // No time passes while it is our side that does not read.
    const watch = createWatch((error) => response.destroy(error));
    let sizeBytes = 0;
    try {
      const chunks = response[Symbol.asyncIterator]();
      try {
        for (;;) {
          watch.wait(idleMs, `${url.host} sent nothing more`);
          const { done, value } = await chunks.next();
          watch.end();
          if (done) break;
          sizeBytes += value.length;
          yield value;
        }
      } finally {
        await chunks.return?.();
      }
    } catch (error) {
      throw networkFailure(url.host, error, signal);
    } finally {
      watch.end();
      if (!response.complete || isHalfSent) asked.destroy();
    }
    // The parser has noticed it before; whoever reads takes an end for all there is.
    if (announced === undefined || sizeBytes === announced) return;
    throw new RemoteFailure("unavailable", `${url.host} sent ${sizeBytes} bytes of ${announced}`);
  }

  return {
    status: response.statusCode ?? 0,
    url,
    headers: response.headers,
    bytes,
    async whole(maxBytes) {
      const chunks: Uint8Array[] = [];
      let sizeBytes = 0;
      const tooMuch = () => new RemoteFailure("nonsense", `${url.host} answered with more than ${maxBytes} bytes`);
      if (!isHead && (announced ?? 0) > maxBytes) {
        asked.destroy();
        throw tooMuch();
      }
      // Nor byte by byte: what is read whole is small.
      const watch = createWatch((error) => response.destroy(error));
      watch.wait(wholeMs, `${url.host} did not send all`);
      try {
        for await (const chunk of bytes()) {
          sizeBytes += chunk.byteLength;
          if (sizeBytes > maxBytes) throw tooMuch();
          chunks.push(chunk);
        }
      } finally {
        watch.end();
      }
      return Buffer.concat(chunks);
    },
    discard() {
      const isShort = announced !== undefined && announced <= maxDiscardedBytes;
      if (isHalfSent || !(isHead || isShort || response.statusCode === 204)) asked.destroy();
      else response.resume();
    },
  };
}

export function lengthIn(headers: IncomingHttpHeaders): number | undefined {
  const length = headers["content-length"];
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/** One timer at a time. */
export function createWatch(expired: (error: Error) => void) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    wait(ms: number, why: string) {
      clearTimeout(timer);
      timer = setTimeout(() => expired(new TookTooLong(`${why} within ${ms / 1000} seconds`)), ms);
    },
    end: () => clearTimeout(timer),
  };
}

export class TookTooLong extends Error {}
