import { type ClientRequest, type IncomingMessage, Agent as PlainAgent, request as requestPlain } from "node:http";
import { request as requestSecure, Agent as SecureAgent } from "node:https";
import { createSecureContext, getCACertificates } from "node:tls";
import type { Bytes } from "../../domain/registry/ports.ts";
import { RemoteFailure, type RemoteReach } from "../../domain/registry/remote-registry.ts";
import { createGuard, type Guard, type Resolve } from "../guard.ts";
import { networkFailure } from "./failures.ts";
import { createWatch, type Reply, replyOf } from "./reply.ts";

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

/** How long a registry is waited for. There is no limit to a whole answer: layers are large. */
export interface Patience {
  /** Until there is a connection, with TLS; the turn of whoever waits for one of the pool is part of it. */
  readonly connectMs: number;
  readonly firstByteMs: number;
  /** Until what was sent is accepted: some registries move all bytes of a layer before they answer. */
  readonly acceptMs: number;
  /** Between bytes, either way. */
  readonly idleMs: number;
  /** Until a manifest, a page or a token is there. */
  readonly wholeMs: number;
}

const usualPatience: Patience = {
  connectMs: 10_000,
  firstByteMs: 60_000,
  acceptMs: 10 * 60_000,
  idleMs: 60_000,
  wholeMs: 2 * 60_000,
};

const maxHeaderBytes = 64 * 1024;
/** To one host; whoever wants more waits. */
const maxConnections = 128;
const maxAllConnections = 1_024;
const maxIdleConnections = 16;
/** Many servers close after a minute. */
const idleConnectionMs = 30_000;

export interface TransportParts {
  readonly reach: RemoteReach;
  /** In PEM, beside those of the system. */
  readonly authorities?: string;
  readonly resolve?: Resolve;
  readonly patience?: Partial<Patience>;
}

export function createTransport({
  reach,
  authorities,
  resolve,
  patience,
}: TransportParts): Transport & { close(): void } {
  const times = { ...usualPatience, ...patience };
  const guard = createGuard(
    (where) => where === "public" || (where === "private" && reach.private) || (where === "loopback" && reach.loopback),
    resolve,
  );
  const pooling = {
    keepAlive: true,
    maxSockets: maxConnections,
    maxTotalSockets: maxAllConnections,
    maxFreeSockets: maxIdleConnections,
    timeout: idleConnectionMs,
  };
  // Certificates themselves would become part of the name of a pool, with every request.
  const trust = authorities === undefined ? {} : { secureContext: trusting(authorities) };
  const agents = { plain: new PlainAgent(pooling), secure: new SecureAgent({ ...pooling, ...trust }) };

  function start({ method, url, headers, body, signal }: Question, isFresh: boolean): ClientRequest {
    const isPlain = url.protocol === "http:";
    const size = body instanceof Uint8Array ? body.byteLength : body?.sizeBytes;
    return (isPlain ? requestPlain : requestSecure)(url, {
      method,
      agent: isFresh ? false : isPlain ? agents.plain : agents.secure,
      signal,
      maxHeaderSize: maxHeaderBytes,
      headers: { ...headers, ...(size !== undefined && { "content-length": String(size) }) },
      lookup: guard.lookup as never,
      ...(isFresh && !isPlain && trust),
    });
  }

  async function askOnce(question: Question, asked: ClientRequest): Promise<Reply> {
    const { url, body, signal } = question;
    const answered = Promise.withResolvers<IncomingMessage>();
    answered.promise.catch(() => {});
    const watch = createWatch((error) => asked.destroy(error));
    const waitForAnswer = () =>
      watch.wait(body === undefined ? times.firstByteMs : times.acceptMs, `${url.host} did not answer`);
    asked.on("error", answered.reject);
    asked.on("response", answered.resolve);
    watch.wait(times.connectMs, `${url.host} took no connection`);
    asked.on("socket", (socket) => {
      if (socket.connecting) socket.once(url.protocol === "https:" ? "secureConnect" : "connect", waitForAnswer);
      else waitForAnswer();
    });
    try {
      if (body === undefined || body instanceof Uint8Array) asked.end(body);
      else {
        await send(asked, body, answered.promise, () => watch.wait(times.idleMs, `${url.host} took no more bytes`));
        waitForAnswer();
      }
      return replyOf(url, asked, await answered.promise, { ...times, signal });
    } catch (error) {
      asked.destroy();
      throw error;
    } finally {
      watch.end();
    }
  }

  async function askTwice(question: Question): Promise<Reply> {
    const asked = start(question, false);
    try {
      return await askOnce(question, asked);
    } catch (error) {
      // Its server may have closed a connection of the pool just when it was taken out of it.
      const { code } = (error ?? {}) as { code?: unknown };
      const isStale = asked.reusedSocket && (code === "ECONNRESET" || code === "EPIPE") && !question.signal.aborted;
      if (!isStale || !(question.body === undefined || question.body instanceof Uint8Array)) throw error;
      return await askOnce(question, start(question, true));
    }
  }

  return {
    async ask(question) {
      const { url, signal } = question;
      try {
        signal.throwIfAborted();
        checkUrl(url, reach, guard);
        return await askTwice(question);
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

const trusting = (authorities: string) => createSecureContext({ ca: [...getCACertificates("default"), authorities] });

function checkUrl(url: URL, reach: RemoteReach, guard: Guard): void {
  const bad = (why: string) => new RemoteFailure("out-of-bounds", `${url.host} cannot be asked: ${why}`);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw bad("it is no address of HTTP");
  if (url.protocol === "http:" && !reach.insecure) throw bad("no TLS");
  if (url.username !== "" || url.password !== "") throw bad("a URL with a password");
  guard.checkHost(url.hostname);
}

/** Ends as soon as there is an answer: nobody who refuses a layer reads the rest of it. */
async function send(
  asked: ClientRequest,
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
    if (!asked.write(chunk)) {
      moved();
      await Promise.race([new Promise((resolve) => asked.once("drain", resolve)), ended]);
    }
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
