import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A wire between a client and a server that tells how much went over it, and that can be cut. */
export interface CountingProxy {
  readonly url: string;
  /** Bytes since the last reset, with those of HTTP. */
  readonly toServer: number;
  readonly toClient: number;
  reset(): void;
  /** Called with the counts as they grow. */
  watch(look: ((counts: { toServer: number; toClient: number }) => void) | undefined): void;
  /** Cuts all connections of now. */
  cut(): void;
  close(): Promise<void>;
}

export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const counts = { toServer: 0, toClient: 0 };
  let look: ((now: typeof counts) => void) | undefined;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [from, to, key] of [
      [client, upstream, "toServer"],
      [upstream, client, "toClient"],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes: Buffer) => {
        counts[key] += bytes.length;
        look?.(counts);
        if (!to.write(bytes)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get toServer() {
      return counts.toServer;
    },
    get toClient() {
      return counts.toClient;
    },
    reset() {
      counts.toServer = 0;
      counts.toClient = 0;
    },
    watch(next) {
      look = next;
    },
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
