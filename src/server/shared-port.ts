import { type RunningServer, type ServerOptions, startServer } from "./listener.ts";
import type { Tls } from "./tls.ts";

/** A port that several of our processes listen on, and nobody else. */
export interface SharedPort {
  readonly port: number;
  readonly url: string;
  /** While nobody else of ours listens, this process does, and says that Berth is starting. @throws CannotListen */
  hold(): void;
  /** Others of ours listen: leaves the port to them. */
  release(): void;
  /** From now on the port is held with another certificate. */
  renew(tls: Tls): void;
}

/**
 * Takes the port. Listeners that agree to share (SO_REUSEPORT) get in beside each other even where they belong to two
 * Berths of one user, so the port is first listened on alone, which fails beside any other listener, and then shared.
 * As long as one of ours listens from there on, no other Berth gets in.
 * @throws CannotListen
 */
export function openSharedPort(options: ServerOptions): SharedPort {
  const { host } = options.listen;
  let { port } = options.listen;
  let { tls } = options;
  let holder: RunningServer | undefined;

  function hold(): RunningServer {
    if (holder) return holder;
    // Two that change from alone to shared at the same moment would both find the port free.
    const turn = takeTurn();
    try {
      const alone = startServer({ ...options, tls, listen: { host, port }, reusePort: false });
      ({ port } = alone);
      void alone.stop(0);
      holder = startServer({ ...options, tls, listen: { host, port }, reusePort: true });
      return holder;
    } finally {
      turn?.stop(true);
    }
  }

  const { url } = hold();
  return {
    port,
    url,
    hold,
    release() {
      void holder?.stop(cutOffMs);
      holder = undefined;
    },
    renew(next) {
      tls = next;
      holder?.renew(next);
    },
  };
}

/** What the holder is asked is answered at once. */
const cutOffMs = 1000;

const turnTries = 100;
const turnPollMs = 5;

/**
 * A name that only one process of the network has at a time, and that goes with its process (unix(7), "abstract").
 * A turn takes less than a millisecond. Who holds the name for long is not one of us, and keeps nobody from starting.
 */
function takeTurn(): Bun.UnixSocketListener<undefined> | undefined {
  for (let tries = 0; tries < turnTries; tries++) {
    try {
      return Bun.listen({ unix: "\0berth-takes-a-port", socket: { data() {} } });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") return undefined;
      Bun.sleepSync(turnPollMs);
    }
  }
  return undefined;
}
