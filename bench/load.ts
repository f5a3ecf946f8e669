/**
 * Asks for one URL again and again over keep-alive connections and prints what came of it as JSON.
 * `load.ts URL AUTHORIZATION SECONDS`. Speaks HTTP by hand: a full client would be the bottleneck.
 */
const [target = "", authorization = "", seconds = "5"] = process.argv.slice(2);
const url = new URL(target);
const accept = "application/vnd.oci.image.manifest.v1+json";
const lines = [`GET ${url.pathname} HTTP/1.1`, `Host: ${url.host}`, `Accept: ${accept}`];
if (authorization) lines.push(`Authorization: ${authorization}`);
const request = `${lines.join("\r\n")}\r\n\r\n`;
const connections = 16;
const latencies: number[] = [];
const end = performance.now() + Number(seconds) * 1000;

async function connection(): Promise<void> {
  const done = Promise.withResolvers<void>();
  let received = "";
  let sentAt = 0;
  const send = (socket: Bun.Socket) => {
    sentAt = performance.now();
    socket.write(request);
  };
  await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      open: send,
      data(socket, chunk) {
        received += chunk.toString("latin1");
        const head = received.indexOf("\r\n\r\n");
        const length = /content-length: (\d+)/i.exec(received)?.[1];
        if (head < 0 || length === undefined || received.length < head + 4 + Number(length)) return;
        if (!received.startsWith("HTTP/1.1 200")) return done.reject(new Error(received.slice(0, 200)));
        received = "";
        const now = performance.now();
        latencies.push(now - sentAt);
        if (now < end) return send(socket);
        socket.end();
        done.resolve();
      },
      error: (_, error) => done.reject(error),
      close: () => done.resolve(),
    },
  });
  return done.promise;
}

const start = performance.now();
await Promise.all(Array.from({ length: connections }, connection));
const perSecond = latencies.length / ((performance.now() - start) / 1000);
latencies.sort((a, b) => a - b);
const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
console.log(JSON.stringify({ perSecond, p50Ms: at(0.5), p99Ms: at(0.99) }));

export {};
