import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  Agent as PlainAgent,
  request as requestPlain,
} from "node:http";
import { request as requestSecure, Agent as SecureAgent } from "node:https";
import { getCACertificates } from "node:tls";
import type { Bytes } from "../../domain/registry/ports.ts";
import { RemoteFailure, type RemoteReach } from "../../domain/registry/remote-registry.ts";
import { createGuard, type Guard, type Resolve } from "../guard.ts";
import { networkFailure } from "./failures.ts";

/** One request, and no more: no redirect, no proxy of the environment, nothing is unpacked. */
export interface Transport {
  /** @throws RemoteFailure, the reason of the signal, and what reading the body throws */
  ask(question: Question): Promise<Reply>;
}

export interface Question {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | StreamedBody;
  readonly signal: AbortSignal;
}

export interface StreamedBody {
  readonly sizeBytes: number;
  bytes(): Bytes;
  /** How many bytes the connection took. */
  sent?(bytes: number): void;
}

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

/** How long a registry is waited for. There is no limit to a whole answer: layers are large. */
export interface Patience {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
}

export const patience: Patience = { connectMs: 10_000, firstByteMs: 60_000, idleMs: 60_000 };

const maxHeaderBytes = 64 * 1024;
/** A pool is for one host; whoever wants more waits. */
const maxConnections = 128;
const maxIdleConnections = 16;
/** Many servers close after a minute. */
const idleConnectionMs = 30_000;
/** Read to the end for the sake of the connection, when nobody wants it. */
const maxDiscardedBytes = 64 * 1024;

export interface TransportParts {
  readonly reach: RemoteReach;
  /** In PEM, beside those of the system. */
  readonly authorities?: string;
  readonly resolve?: Resolve;
  readonly patience?: Patience;
}

export function createTransport(parts: TransportParts): Transport & { close(): void } {
  const { reach, authorities, resolve } = parts;
  const times = parts.patience ?? patience;
  const guard = createGuard(
    (where) => where === "public" || (where === "private" && reach.private) || (where === "loopback" && reach.loopback),
    resolve,
  );
  const pooling = {
    keepAlive: true,
    maxSockets: maxConnections,
    maxFreeSockets: maxIdleConnections,
    timeout: idleConnectionMs,
  };
  const trust = authorities === undefined ? {} : { ca: [...getCACertificates("default"), authorities] };
  const agents = { plain: new PlainAgent(pooling), secure: new SecureAgent({ ...pooling, ...trust }) };

  function start(question: Question, isFresh: boolean) {
    const { method, url, headers, body, signal } = question;
    const isPlain = url.protocol === "http:";
    const size = body instanceof Uint8Array ? body.byteLength : body?.sizeBytes;
    return (isPlain ? requestPlain : requestSecure)(url, {
      method,
      agent: isFresh ? false : isPlain ? agents.plain : agents.secure,
      signal,
      maxHeaderSize: maxHeaderBytes,
      headers: { ...headers, ...(size !== undefined && { "content-length": String(size) }) },
      lookup: guard.lookup as never,
      ...(!isPlain && trust),
    });
  }

  async function askOnce(question: Question, isFresh: boolean): Promise<Reply> {
    const { url, body, signal } = question;
    const asked = start(question, isFresh);
    const answered = Promise.withResolvers<IncomingMessage>();
    answered.promise.catch(() => {});
    const watch = createWatch((error) => asked.destroy(error));
    asked.on("error", answered.reject);
    asked.on("response", answered.resolve);
    watch.wait(times.connectMs, `${url.host} took no connection`);
    asked.on("socket", (socket) => {
      const connected = () => watch.wait(times.firstByteMs, `${url.host} did not answer`);
      if (socket.connecting) socket.once(url.protocol === "https:" ? "secureConnect" : "connect", connected);
      else connected();
    });
    try {
      if (body === undefined || body instanceof Uint8Array) asked.end(body);
      else await send(asked, body, answered.promise, () => watch.wait(times.idleMs, `${url.host} took no more bytes`));
      return replyOf(url, await answered.promise, asked, times, signal);
    } catch (error) {
      asked.destroy();
      throw Object.assign(error as Error, { wasStale: asked.reusedSocket && !(body && !(body instanceof Uint8Array)) });
    } finally {
      watch.end();
    }
  }

  return {
    async ask(question) {
      const { url, signal } = question;
      try {
        signal.throwIfAborted();
        checkUrl(url, reach, guard);
        try {
          return await askOnce(question, false);
        } catch (error) {
          // Its server may have closed a connection of the pool just when it was taken out of it.
          const { wasStale, code } = error as { wasStale?: boolean; code?: string };
          if (!wasStale || signal.aborted || (code !== "ECONNRESET" && code !== "EPIPE")) throw error;
          return await askOnce(question, true);
        }
      } catch (error) {
        throw error instanceof NotRead ? error.cause : networkFailure(url.host, error, signal);
      }
    },
    close() {
      agents.plain.destroy();
      agents.secure.destroy();
    },
  };
}

function checkUrl(url: URL, reach: RemoteReach, guard: Guard): void {
  const bad = (why: string) => new RemoteFailure("out-of-bounds", `${url.host} cannot be asked: ${why}`);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw bad("it is no address of HTTP");
  if (url.protocol === "http:" && !reach.insecure) throw bad("no TLS");
  if (url.username !== "" || url.password !== "") throw bad("a URL with a password");
  guard.checkHost(url.hostname);
}

/** Ends as soon as there is an answer: nobody who refuses a layer reads the rest of it. */
async function send(
  asked: ReturnType<typeof requestPlain>,
  body: StreamedBody,
  answer: Promise<unknown>,
  moved: () => void,
): Promise<void> {
  let isAnswered = false;
  const ended = answer.finally(() => {
    isAnswered = true;
  });
  ended.catch(() => {});
  let sizeBytes = 0;
  for await (const chunk of ownBytes(body.bytes())) {
    if (isAnswered) return;
    sizeBytes += chunk.byteLength;
    if (sizeBytes > body.sizeBytes) break;
    moved();
    if (!asked.write(chunk)) await Promise.race([new Promise((resolve) => asked.once("drain", resolve)), ended]);
    body.sent?.(chunk.byteLength);
  }
  if (isAnswered) return;
  if (sizeBytes !== body.sizeBytes) throw new NotRead(new Error(`there are not ${body.sizeBytes} bytes to send`));
  asked.end();
}

/** What was to be sent could not be read: no failure of the other side. */
class NotRead extends Error {
  constructor(override readonly cause: unknown) {
    super();
  }
}

async function* ownBytes(bytes: Bytes): Bytes {
  try {
    yield* bytes;
  } catch (error) {
    throw new NotRead(error);
  }
}

/** One timer at a time. */
function createWatch(expired: (error: Error) => void) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    wait(ms: number, why: string) {
      clearTimeout(timer);
      timer = setTimeout(() => expired(new Error(`${why} within ${ms / 1000} seconds`)), ms);
    },
    end: () => clearTimeout(timer),
  };
}

function replyOf(
  url: URL,
  response: IncomingMessage,
  asked: ReturnType<typeof requestPlain>,
  { idleMs }: Patience,
  signal: AbortSignal,
): Reply {
  // Errors come while nobody reads, too.
  response.on("error", () => {});
  const length = response.headers["content-length"];
  const announced = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
  const isHead = asked.method === "HEAD";
  if (isHead) response.resume();

  async function* bytes(): Bytes {
    const watch = createWatch((error) => response.destroy(error));
    let sizeBytes = 0;
    try {
      const chunks = response[Symbol.asyncIterator]();
      try {
        for (;;) {
          watch.wait(idleMs, "nothing came");
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
      if (!response.complete) asked.destroy();
    }
    if (announced === undefined || isHead || sizeBytes === announced) return;
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
      for await (const chunk of bytes()) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes > maxBytes) throw tooMuch();
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },
    discard() {
      if (isHead || (announced !== undefined && announced <= maxDiscardedBytes)) response.resume();
      else asked.destroy();
    },
  };
}
