import { X509Certificate } from "node:crypto";
import type { Socket, SocketHandler, TCPSocketListener } from "bun";
import {
  type ClientCertificate,
  lapseOf,
  parseRevoked,
  problemOf,
  type ReadCertificate,
  readCertificate,
  type Trust,
} from "./client-certificate.ts";
import { listenerTls, type Tls } from "./tls.ts";

/**
 * TLS in front of a plain listener of the same process, for the one thing that Bun's own HTTPS does not do: it tells a
 * request's handler nothing of the certificate that its client showed (oven-sh/bun#14097). Bytes go through as they are,
 * only as fast as the slower side takes them, and both ends of a connection close together. The listener behind learns whose
 * connection a request came on from the port that it comes from.
 */
export interface Terminator {
  readonly port: number;
  /** Whoever is at the outer end of an inner connection; `undefined` for a connection that is not one of ours. */
  peerOf(inner: { readonly address: string; readonly port: number } | null): Peer | undefined;
  /** Greets new connections with another certificate, and judges those of all clients anew. @throws what listening throws */
  renew(tls: Tls): void;
  /** Takes no more connections. Those there are go on. */
  leave(): void;
  /** Resolves when the listener behind has closed all connections, and everything that it sent is on its way. */
  sent(): Promise<void>;
  /** Cuts every connection on which something is still to be sent. */
  cut(): void;
}

export interface Peer {
  readonly address: string;
  /** What it has proved to hold the key of, where nothing speaks against it. */
  readonly certificate?: ClientCertificate;
  /** Why nothing that comes on its connection is answered. */
  readonly refusal?: string;
}

export interface TerminatorOptions {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  readonly tls: Tls;
  /** Of the listener behind, on `innerHost`. */
  readonly innerPort: number;
  /** A handshake that takes longer is given up. */
  readonly handshakeSeconds?: number;
  /** So long an end may take what is left for it when the other has gone. */
  readonly lingerSeconds?: number;
  /** What may wait for clients in all, beyond what sockets hold. Who would add to it is cut off. */
  readonly maxWaitingBytes?: number;
  readonly clock?: () => Date;
}

const sentPollMs = 10;

/** Where both ends of an inner connection are. Anybody on this machine may use the other addresses of 127.0.0.0/8. */
export const innerHost = "127.0.0.1";

/** A client's connection, its continuation to the listener behind, and what is known of the client. */
interface Link {
  readonly address: string;
  readonly outer: End;
  readonly inner: End;
  /** Its key in the map, once it is there. */
  innerPort?: number;
  shown?: Shown;
  problem?: string;
}

/** One end of a link. */
interface End {
  readonly link: Link;
  readonly isOuter: boolean;
  socket?: Socket<End>;
  /** What it has not taken yet: what was left of one read of the other end, which is paused until this is gone. */
  waiting: Buffer[];
  /** Nothing comes behind what waits. */
  isEnding: boolean;
  isOver: boolean;
}

interface Shown {
  readonly certificate: X509Certificate;
  readonly read: ReadCertificate;
}

/** @throws what Bun throws where it cannot listen */
export function openTerminator(options: TerminatorOptions): Terminator {
  const { host, innerPort, reusePort, clock = () => new Date() } = options;
  const { handshakeSeconds = 20, lingerSeconds = 30, maxWaitingBytes = 256 * 1024 * 1024 } = options;
  const links = new Set<Link>();
  const byInnerPort = new Map<number, Link>();
  let waitingBytes = 0;
  let isCut = false;
  let { tls } = options;
  let trust = trustIn(tls);

  const handlers: SocketHandler<End> = {
    data: pass,
    drain,
    close: ({ data }) => over(data),
    // The socket closes by itself.
    error() {},
  };

  const outerHandlers: SocketHandler<End> = {
    ...handlers,
    // Before the handshake.
    open(socket) {
      const link = createLink(socket);
      socket.data = link.outer;
      links.add(link);
      socket.timeout(handshakeSeconds);
    },
    timeout: (socket) => void socket.terminate(),
    handshake(socket, success, error) {
      const { link } = socket.data;
      if (!success) return void socket.terminate();
      // It goes on where there is somebody to hear it, and no sooner.
      socket.pause();
      socket.timeout(0);
      judge(link, socket, error);
      void continueInside(link);
    },
  };

  let listener = listen(options.port);
  const { port } = listener;

  function listen(port: number): TCPSocketListener<End> {
    const secure = { ...listenerTls(tls), requestCert: true, rejectUnauthorized: false };
    return Bun.listen<End>({ hostname: host, port, ...({ reusePort } as object), tls: secure, socket: outerHandlers });
  }

  function judge(link: Link, socket: Socket<End>, error: Error | null): void {
    const certificate = certificateOf(socket);
    if (!certificate) {
      if (tls.clients?.mode !== "optional") link.problem = "This server answers only clients that show a certificate";
      return;
    }
    try {
      link.shown = { certificate, read: readCertificate(certificate) };
    } catch {
      link.problem = "The client certificate cannot be used: something in it cannot be read";
      return;
    }
    // Two have to agree: Bun may trust more authorities than those that were given, and checks what is not checked here.
    const problem = problemOf(certificate, link.shown.read, trust, clock());
    if (problem !== undefined || !socket.authorized) {
      link.problem = refusalText(link.shown, problem ?? error?.message ?? "it is not valid");
    }
  }

  async function continueInside(link: Link): Promise<void> {
    try {
      const to = { hostname: innerHost, port: innerPort };
      const socket = await Bun.connect<End>({ ...to, data: link.inner, socket: handlers });
      link.inner.socket = socket;
      if (link.outer.isOver) return void finish(link.inner, socket);
      link.innerPort = socket.localPort;
      byInnerPort.set(socket.localPort, link);
      drain(socket);
    } catch {
      // No descriptors, or no ports. The client may try again.
      link.outer.socket?.terminate();
    }
  }

  /** From one end to the other. */
  function pass(from: Socket<End>, bytes: Buffer): void {
    const to = otherOf(from.data);
    if (to.isOver || to.isEnding) return;
    const sent = to.socket && to.waiting.length === 0 ? Math.max(0, to.socket.write(bytes)) : 0;
    if (sent === bytes.length) return;
    from.pause();
    const left = Buffer.from(bytes.subarray(sent));
    to.waiting.push(left);
    waitingBytes += left.length;
    if (waitingBytes > maxWaitingBytes) to.link.outer.socket?.terminate();
  }

  function drain(socket: Socket<End>): void {
    const end = socket.data;
    for (let next = end.waiting[0]; next; next = end.waiting[0]) {
      const sent = Math.max(0, socket.write(next));
      waitingBytes -= sent;
      if (sent < next.length) {
        end.waiting[0] = next.subarray(sent);
        return;
      }
      end.waiting.shift();
    }
    if (end.isEnding) finish(end, socket);
    else otherOf(end).socket?.resume();
  }

  /**
   * An end has closed, and the other closes behind it. A client gets what was on its way to it; of a client that has gone
   * the listener hears at once, so that nothing goes on for it.
   */
  function over(end: End): void {
    const { link, isOuter } = end;
    const other = otherOf(end);
    end.isOver = true;
    forget(end);
    if (isOuter) {
      links.delete(link);
      forget(other);
    } else if (link.innerPort !== undefined && byInnerPort.get(link.innerPort) === link) {
      byInnerPort.delete(link.innerPort);
    }
    if (other.isOver) return;
    other.isEnding = true;
    if (!other.socket) return;
    // The inner end is never cut: its port must not be given out again while the listener has its end open.
    if (!isOuter) other.socket.timeout(lingerSeconds);
    // What still comes is read away, so that its own end is noticed.
    other.socket.resume();
    if (other.waiting.length === 0) finish(other, other.socket);
  }

  /**
   * The listener hears that nothing more comes, and closes. Until it has, the inner port is not free for another
   * connection: `end` would close at once.
   */
  function finish({ isOuter }: End, socket: Socket<End>): void {
    if (isOuter) socket.end();
    else socket.shutdown();
  }

  function forget(end: End): void {
    for (const { length } of end.waiting) waitingBytes -= length;
    end.waiting = [];
  }

  return {
    port,
    peerOf(inner) {
      if (!inner || inner.address !== innerHost) return undefined;
      const link = byInnerPort.get(inner.port);
      // Of a client that has gone, what is left of its requests is nobody's.
      if (!link || link.outer.isOver) return undefined;
      const { address, problem, shown } = link;
      if (problem !== undefined) return { address, refusal: problem };
      if (!shown) return { address };
      const lapse = lapseOf(shown.certificate, shown.read.facts, trust.revoked, clock());
      if (lapse !== undefined) return { address, refusal: refusalText(shown, lapse) };
      return { address, certificate: shown.read.facts };
    },
    renew(next) {
      const before = tls;
      const old = listener;
      tls = next;
      try {
        if (reusePort) listener = listen(port);
        old.stop(false);
        if (!reusePort) listener = listen(port);
      } catch (error) {
        tls = before;
        if (!reusePort) listener = listen(port);
        throw error;
      }
      trust = trustIn(next);
      for (const link of links) {
        if (!link.shown || link.problem !== undefined) continue;
        const problem = problemOf(link.shown.certificate, link.shown.read, trust, clock());
        if (problem !== undefined) link.problem = refusalText(link.shown, problem);
      }
    },
    leave: () => listener.stop(false),
    async sent() {
      // It keeps those on which nothing was ever asked.
      for (const { inner } of links) if (!inner.isOver) inner.socket?.shutdown();
      while (!isCut && [...links].some((link) => !isSent(link))) await Bun.sleep(sentPollMs);
    },
    cut() {
      isCut = true;
      listener.stop(false);
      for (const link of links) if (!isSent(link)) link.outer.socket?.terminate();
    },
  };
}

function createLink(socket: Socket<End>): Link {
  const end = (isOuter: boolean) => ({ isOuter, waiting: [], isEnding: false, isOver: false });
  const link: { address: string; outer?: End; inner?: End } = { address: socket.remoteAddress };
  link.outer = { ...end(true), link: link as Link, socket };
  link.inner = { ...end(false), link: link as Link };
  return link as Link;
}

/** What the system has taken reaches the client also when this process ends, unless the connection is cut. */
function isSent({ inner, outer }: Link): boolean {
  return inner.isOver && outer.waiting.length === 0;
}

function otherOf({ link, isOuter }: End): End {
  return isOuter ? link.inner : link.outer;
}

function trustIn({ clientAuthority = "", clients }: Tls): Trust {
  const blocks = clientAuthority.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return {
    authorities: blocks.map((block) => new X509Certificate(block)),
    revoked: parseRevoked(clients?.revoked ?? "") ?? new Set(),
  };
}

function certificateOf(socket: Socket<End>): X509Certificate | undefined {
  const shown = (
    socket as unknown as { getPeerX509Certificate(): X509Certificate | undefined }
  ).getPeerX509Certificate();
  return shown && new X509Certificate(shown.raw);
}

function refusalText({ read: { facts } }: Shown, problem: string): string {
  return `The client certificate (${facts.subject}, serial ${facts.serial}) cannot be used: ${problem}`;
}
