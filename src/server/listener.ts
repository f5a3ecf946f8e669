import type { Log } from "./log.ts";
import { createPaceKeeper } from "./pace.ts";
import { createProxies, type Proxies } from "./proxies.ts";
import { type Arrival, answerPlainly, pathOf, type Route, routeOf, type Surfaces } from "./routes.ts";
import { fitToRequest } from "./send.ts";
import { innerHost, openTerminator, type Peer, type Terminator } from "./terminator.ts";
import { listenerTls, type Tls } from "./tls.ts";

export interface ServerOptions {
  /** Port 0 takes any free one. */
  listen: { readonly host: string; readonly port: number };
  /** Lets other listeners that agree to it share the port (SO_REUSEPORT); each gets some of the connections. */
  reusePort?: boolean;
  /** Resolves when requests can be served. The `name` of what it throws is shown to everybody. */
  ready(): Promise<void>;
  /** Left out: plain HTTP. */
  tls?: Tls;
  log: Log;
  /** Told of every request whose answer has been handed over. */
  observe?(finished: Finished): void;
  /** A connection on which nothing moves for so long is closed. At most 255, which is Bun's limit. */
  idleTimeoutSeconds?: number;
  readyTimeoutMs?: number;
  limits?: Limits;
  /** Addresses and networks of proxies that are believed when they say whom a request comes from. Left out: none. */
  trustedProxies?: readonly string[];
}

export interface Limits {
  /** Requests that surfaces work on, or whose answers are being sent. What is above is told to come again. */
  readonly concurrentRequests: number;
  /** The pace that the body of a request must keep, taken over `paceWindowMs`. */
  readonly minBytesPerSecond: number;
  readonly paceWindowMs?: number;
}

export interface Finished {
  readonly route: Route;
  /** As the surface noted it; absent for what no surface understood. */
  readonly operation?: string;
  readonly status: number;
  readonly ms: number;
}

export interface RunningServer {
  /** Where it listens, `http://127.0.0.1:5080`. */
  readonly url: string;
  readonly port: number;
  /** Requests whose answers are not fully sent. */
  readonly inFlight: number;
  /** Greets new connections with another certificate. Requests in flight end on the connections that they have. @throws CannotListen */
  renew(tls: Tls): void;
  /** Opens the surfaces. Until then the port is held and health is answered, everything else with 503. */
  serve(surfaces: Surfaces): void;
  /** Takes no more requests, waits so long for those in flight, then cuts them off. Answers whether none was cut. */
  stop(graceMs: number): Promise<boolean>;
}

/** The port cannot be listened on. `code` says why, as the system calls it. */
export class CannotListen extends Error {
  override readonly name = "CannotListen";
  constructor(
    readonly code: string,
    readonly host: string,
    readonly port: number,
    options: ErrorOptions,
  ) {
    super(`cannot listen on ${host}:${port} (${code})`, options);
  }
}

/** How long requests that were cut off may take to notice. */
const cutOffMs = 1000;

const generous: Limits = { concurrentRequests: 2048, minBytesPerSecond: 100 };

/** As much of a body that nobody reads is let in, so that its client gets to read the answer. */
const readAwayBytes = 64 * 1024;

/** Requests that say that somebody is watching, not that something happens. */
const quiet = new Set<Route>(["health", "ready"]);

/** @throws CannotListen */
export function startServer(options: ServerOptions): RunningServer {
  const { log, listen, idleTimeoutSeconds = 240, readyTimeoutMs = 2000, ready } = options;
  const { concurrentRequests, minBytesPerSecond, paceWindowMs = 60_000 } = options.limits ?? generous;
  const proxies = createProxies(options.trustedProxies ?? []);
  const health = { ready, readyTimeoutMs };
  const pace = createPaceKeeper({ minBytesPerSecond, windowMs: paceWindowMs, now: () => performance.now() });
  let surfaces: Surfaces | undefined;
  let { tls } = options;
  /** Requests that are being worked on: these may still need what is closed after the server. */
  const working = new Set<Promise<Response>>();

  /** The life of a request: identify, route, answer, fit, record. */
  async function receive(request: Request, server: Bun.Server<unknown>): Promise<Response> {
    const started = performance.now();
    const noted: Record<string, string | number | boolean> = {};
    let isTooSlow = false;
    const peer = peerOf(request, server);
    const arrival: Arrival = {
      ...arrivalOf(request, peer, proxies, tls !== undefined, noted),
      paced(bytes) {
        server.timeout(request, 0);
        return pace.keep(bytes, () => {
          isTooSlow = true;
          arrival.note({ slowBody: true });
        });
      },
    };
    const { requestId } = arrival;
    const route = routeOf(request.method, request.url);
    // Work that takes its time is not an idle client. While a body is to come it is the client's turn, and it is timed:
    // by Bun until a surface reads it, then by the pace.
    if (!hasBody(request)) server.timeout(request, 0);

    let response: Response;
    let failure: unknown;
    try {
      const isBusy = inFlight() > concurrentRequests;
      response =
        peer.refusal === undefined ? await answer(request, route, arrival, isBusy) : refused(peer.refusal, request);
      if (isTooSlow) response = tooSlow(response);
    } catch (error) {
      failure = error;
      response = internalError(requestId);
    }
    response = fitToRequest(response, request, (cause) => {
      log.error({ requestId, error: cause }, "an answer broke off: its content could not be read");
    });
    identify(response, route, requestId);

    server.timeout(request, idleTimeoutSeconds);
    const facts = {
      ...noted,
      method: request.method,
      path: pathOf(request.url).slice(0, 500),
      status: response.status,
      ms: Math.round((performance.now() - started) * 10) / 10,
      requestId,
      sourceIp: arrival.sourceIp,
    };
    const operation = typeof noted.operation === "string" ? noted.operation : undefined;
    options.observe?.({ route, operation, status: facts.status, ms: facts.ms });
    if (request.signal.aborted) log.info(facts, "request given up by the client");
    else if (failure !== undefined) log.error({ ...facts, error: failure }, "request failed");
    else if (quiet.has(route)) log.debug(facts, "request");
    else log.info(facts, "request");
    return response;
  }

  function peerOf(request: Request, server: Bun.Server<unknown>): Peer {
    const end = server.requestIP(request);
    if (!terminator) return { address: end?.address ?? "unknown" };
    // Somebody on this machine who has found the inner port, or a client that has gone.
    return terminator.peerOf(end) ?? { address: end?.address ?? "unknown", refusal: "This port is not for you" };
  }

  async function answer(request: Request, route: Route, arrival: Arrival, isBusy: boolean): Promise<Response> {
    if (route !== "registry" && route !== "api") return answerPlainly(route, health);
    if (!surfaces) return starting();
    // A `Host` that no URL can have. Surfaces may take the URL for granted.
    if (!URL.canParse(request.url)) return Response.json({ message: "The Host header is not valid" }, { status: 400 });
    if (!isBusy) return surfaces[route](request, arrival);
    arrival.note({ busy: true });
    return unread(surfaces.busy ? await surfaces.busy[route](request, arrival) : busy(), request);
  }

  const handlers: Handlers = {
    idleTimeout: idleTimeoutSeconds,
    fetch(request, bun) {
      const answer = receive(request, bun);
      working.add(answer);
      void answer.finally(() => working.delete(answer));
      return answer;
    },
    // Reached only after `receive` has answered: the file of an answer is gone or cannot be opened.
    error(error) {
      log.error({ error }, "an answer could not be sent");
      return internalError();
    },
  };
  const reusePort = options.reusePort ?? false;
  const isBehind = tls?.clients !== undefined;
  let server = isBehind
    ? listenOn({ host: innerHost, port: 0, reusePort: false }, handlers, undefined)
    : listenOn({ ...listen, reusePort }, handlers, tls);
  const terminator = isBehind && tls ? terminateOn({ ...listen, reusePort }, server, tls) : undefined;
  const port = terminator?.port ?? server.port ?? listen.port;
  let isStopping = false;
  /** Those that take no more connections, and when the last of their requests ends. */
  const leaving = new Map<Bun.Server<unknown>, Promise<void>>();
  const pacing = setInterval(pace.check, paceWindowMs / 4);

  const all = () => [...new Set([server, ...leaving.keys()])];
  const inFlight = () => all().reduce((sum, { pendingRequests }) => sum + pendingRequests, 0);

  /** Bun closes idle connections, lets the others finish their request, and counts one until its last byte is sent. */
  function leave(old: Bun.Server<unknown>): Promise<void> {
    const left = leaving.get(old) ?? old.stop().finally(() => leaving.delete(old));
    leaving.set(old, left);
    return left;
  }

  return {
    url: `${tls ? "https" : "http"}://${listen.host.includes(":") ? `[${listen.host}]` : listen.host}:${port}`,
    port,
    get inFlight() {
      return inFlight();
    },
    // Bun cannot give a listener another certificate (`reload` ignores it: oven-sh/bun#43815), so another listener takes
    // the port over. The old one closes connections that have no request yet; those that have one end after it.
    renew(next) {
      if (isStopping) return;
      if (terminator) {
        terminator.renew(next);
        tls = next;
        return;
      }
      const old = server;
      const address = { host: listen.host, port, reusePort };
      if (reusePort) server = listenOn(address, handlers, next);
      // Nothing comes between: a stopped listener gives its port free at once.
      void leave(old);
      if (!reusePort) {
        try {
          server = listenOn(address, handlers, next);
        } catch (error) {
          server = listenOn(address, handlers, tls);
          throw error;
        }
      }
      tls = next;
    },
    serve(opened) {
      surfaces = opened;
    },
    async stop(graceMs) {
      isStopping = true;
      terminator?.leave();
      const drained = Promise.all(all().map(leave))
        .then(() => terminator?.sent())
        .then(() => true);
      let timer: Timer | undefined;
      const over = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(false), graceMs);
      });
      const finished = await Promise.race([drained, over]);
      clearTimeout(timer);
      if (!finished) {
        log.warn({ requests: inFlight(), graceMs }, "stopping: requests in flight were cut off");
        await Promise.all(all().map((one) => one.stop(true)));
        // Their connections are gone, so they end as soon as they notice.
        await Promise.race([Promise.allSettled(working), Bun.sleep(cutOffMs)]);
      }
      terminator?.cut();
      clearInterval(pacing);
      return finished;
    },
  };
}

type Handlers = Pick<Bun.Serve.Options<unknown>, "idleTimeout" | "error"> & {
  fetch(request: Request, server: Bun.Server<unknown>): Promise<Response>;
};

type Address = ServerOptions["listen"] & { readonly reusePort: boolean };

function listenOn({ host, port, reusePort }: Address, handlers: Handlers, tls: Tls | undefined): Bun.Server<unknown> {
  try {
    return Bun.serve({
      hostname: host,
      port,
      development: false,
      // Said aloud: two servers must not share a port by accident, and Bun lets them where the system chose the port.
      reusePort,
      // Layers may have 52 GB. Each surface knows what it takes and stops reading there.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      ...(tls ? { tls: listenerTls(tls) } : {}),
      ...handlers,
    });
  } catch (cause) {
    throw new CannotListen((cause as NodeJS.ErrnoException).code ?? "unknown", host, port, { cause });
  }
}

/** Where the terminator cannot listen, nothing is left behind it. @throws CannotListen */
function terminateOn(address: Address, behind: Bun.Server<unknown>, tls: Tls): Terminator {
  try {
    return openTerminator({ ...address, tls, innerPort: behind.port ?? 0 });
  } catch (cause) {
    void behind.stop(true);
    throw new CannotListen((cause as NodeJS.ErrnoException).code ?? "unknown", address.host, address.port, { cause });
  }
}

function arrivalOf(
  request: Request,
  { address, certificate }: Peer,
  proxies: Proxies,
  isEncrypted: boolean,
  noted: Record<string, string | number | boolean>,
): Arrival {
  const userAgent = request.headers.get("user-agent");
  return {
    // It tells when the request came, so that its record is found by it.
    requestId: Bun.randomUUIDv7(),
    ...proxies.originOf(address, request.headers, isEncrypted),
    ...(userAgent === null ? {} : { userAgent }),
    ...(certificate && { certificate }),
    note: (facts) => void Object.assign(noted, facts),
  };
}

/** By its head: looking at `body` would set up a stream that most answers never read. */
function hasBody({ headers }: Request): boolean {
  return headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0";
}

/** Under the name that the clients of each surface look for. */
function identify(response: Response, route: Route, requestId: string): void {
  const header = route === "api" ? "x-amzn-RequestId" : "x-request-id";
  if (!response.headers.has(header)) response.headers.set(header, requestId);
}

/** For a moment at the start, or for as long as a large database takes to be brought up to date. */
function starting(): Response {
  return Response.json({ message: "Berth is starting" }, { status: 503, headers: { "retry-after": "1" } });
}

/** In the form of the data plane's errors, whose clients show them. */
function refused(message: string, request: Request): Response {
  const response = Response.json({ errors: [{ code: "DENIED", message }], message }, { status: 403 });
  response.headers.set("connection", "close");
  return unread(response, request);
}

function busy(): Response {
  return Response.json({ message: "Too many requests at once" }, { status: 503, headers: { "retry-after": "1" } });
}

/** Bun would read the body to its end, however long it is, to keep the connection. */
function unread(response: Response, { headers }: Request): Response {
  const isShort = !headers.has("transfer-encoding") && Number(headers.get("content-length") ?? 0) <= readAwayBytes;
  if (!isShort) response.headers.set("connection", "close");
  return response;
}

/** What the surface says of a body that ended early, under the status that tells why. The rest is not waited for. */
function tooSlow(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("connection", "close");
  return new Response(response.body, { status: 408, headers });
}

/** A surface encodes its own errors; this is for when it could not. */
function internalError(requestId?: string): Response {
  const message = "The request failed because of an error on the server's side";
  return Response.json({ message, ...(requestId === undefined ? {} : { requestId }) }, { status: 500 });
}
