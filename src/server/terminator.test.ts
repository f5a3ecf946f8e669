import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectPlainly } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { makeAuthority, makeClientPair, makeServerPair, type Pair } from "../cli/certificates.ts";
import { startServer } from "./listener.ts";
import type { Arrival } from "./routes.ts";
import { sendContent } from "./send.ts";
import { openTerminator } from "./terminator.ts";
import { recordingLog, until } from "./testing.ts";
import type { ClientMode, Tls } from "./tls.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-terminator-"));
afterAll(() => rmSync(folder, { recursive: true }));

const year = { from: new Date(), days: 365 };
/** More than sockets and their buffers hold. */
const bigBytes = 48 * 1024 * 1024;
const big = join(folder, "big");
let servers: Pair;
let clients: Pair;
let server: Pair;
let ci: Pair;
beforeAll(async () => {
  writeFileSync(big, Buffer.alloc(bigBytes, "abcdefghijklmnop\n"));
  [servers, clients] = [await makeAuthority("Servers", year), await makeAuthority("Clients", year)];
  server = await makeServerPair(servers, ["localhost", "127.0.0.1"], year);
  ci = await makeClientPair(clients, "ci", year, ["uri:spiffe://example.org/ci", "dns:ci.example.org"]);
});

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function tlsFor(mode: ClientMode, more: Partial<Tls> & { revoked?: string } = {}): Tls {
  const { revoked, ...rest } = more;
  return { ...server, minVersion: "1.2", clientAuthority: clients.certificate, clients: { mode, revoked }, ...rest };
}

interface Options {
  readonly mode?: ClientMode;
  readonly tls?: Partial<Tls> & { revoked?: string };
  readonly reusePort?: boolean;
  readonly idleTimeoutSeconds?: number;
}

/** What a surface is told of whoever asks, and routes that do what registries do. */
function serve({ mode = "optional", tls, reusePort, idleTimeoutSeconds }: Options = {}) {
  const { log, lines } = recordingLog();
  const seen = { received: 0, aborted: 0, arrivals: [] as Arrival[], mixedUp: [] as string[] };
  const running = startServer({
    listen: { host: "127.0.0.1", port: 0 },
    tls: tlsFor(mode, tls),
    ready: async () => {},
    log,
    reusePort,
    idleTimeoutSeconds,
  });
  running.serve({
    async registry(request, arrival) {
      seen.arrivals.push(arrival);
      const path = new URL(request.url).pathname;
      const name = arrival.certificate?.commonName ?? "";
      if (/^\/v2\/[a-d]$/.test(path) && path !== `/v2/${name}`) seen.mixedUp.push(`${path} by ${name}`);
      if (path === "/v2/big")
        return sendContent({ kind: "file", path: big, offset: 0, sizeBytes: bigBytes }, { status: 200, headers: {} });
      if (path === "/v2/early") {
        return new Response("too much", { status: 413, headers: { connection: "close" } });
      }
      let received = 0;
      request.signal.addEventListener("abort", () => seen.aborted++);
      if (path === "/v2/wait") await Bun.sleep(300);
      for await (const chunk of request.body ?? []) {
        received += chunk.length;
        seen.received += chunk.length;
        if (path === "/v2/slow") await Bun.sleep(20);
      }
      const { sourceIp, secureTransport, certificate } = arrival;
      return Response.json({ received, sourceIp, secureTransport, certificate: certificate ?? null });
    },
    api: async () => Response.json({}),
  });
  stops.push(() => running.stop(0));
  return { running, seen, lines };
}

function open(port: number, pair?: Pair, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const own = pair && { cert: pair.certificate, key: pair.key };
    const to = { port, host: "127.0.0.1", ca: servers.certificate, servername: "localhost" };
    const socket = connect({ ...to, ...own, ...options }, () => resolve(socket));
    socket.on("error", reject);
  });
}

/** All that comes until the server closes. */
function rest(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    socket.on("data", (bytes: Buffer) => parts.push(bytes));
    socket.on("close", () => resolve(Buffer.concat(parts).toString("latin1")));
  });
}

async function ask(port: number, pair?: Pair, path = "/v2/", options: ConnectionOptions = {}) {
  const socket = await open(port, pair, options);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  const text = await rest(socket);
  const [head = "", body = ""] = text.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), body: body === "" ? undefined : JSON.parse(body) };
}

test("a request knows whose certificate came with its connection, and from where", async () => {
  const { running } = serve();
  expect(running.url).toBe(`https://127.0.0.1:${running.port}`);
  const { status, body } = await ask(running.port, ci);
  expect(status).toBe(200);
  expect(body).toMatchObject({ sourceIp: "127.0.0.1", secureTransport: true });
  expect(body.certificate).toMatchObject({
    subject: "CN=ci",
    issuer: "CN=Clients",
    commonName: "ci",
    uris: ["spiffe://example.org/ci"],
    dnsNames: ["ci.example.org"],
    serial: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
});

test("connections at the same time are told apart, and many requests on one are its own", async () => {
  const { running, seen } = serve();
  const names = Array.from({ length: 12 }, (_, index) => `client-${index}`);
  const pairs = await Promise.all(names.map((name) => makeClientPair(clients, name, year)));
  await Promise.all(
    pairs.map(async (pair, index) => {
      const socket = await open(running.port, index % 4 === 3 ? undefined : pair);
      const answers = rest(socket);
      const one = (last: boolean) =>
        `GET /v2/${names[index]} HTTP/1.1\r\nHost: localhost\r\n${last ? "Connection: close\r\n" : ""}\r\n`;
      // Pipelined: all of them before the first answer.
      socket.write(`${one(false)}${one(false)}${one(true)}`);
      const found = [...(await answers).matchAll(/"commonName":"([^"]+)"/g)].map(([, name]) => name);
      expect(found).toEqual(index % 4 === 3 ? [] : [names[index], names[index], names[index]]);
    }),
  );
  expect(seen.arrivals.length).toBe(36);
});

test("who shows nothing is nobody where certificates are optional, and refused where they are not", async () => {
  const optional = serve();
  expect((await ask(optional.running.port)).body.certificate).toBeNull();
  const required = serve({ mode: "required" });
  expect(await ask(required.running.port)).toMatchObject({
    status: 403,
    body: { message: "This server answers only clients that show a certificate" },
  });
  expect((await ask(required.running.port, undefined, "/healthz")).status).toBe(403);
  expect((await ask(required.running.port, ci, "/healthz")).status).toBe(200);
});

const past = { from: new Date(Date.now() - 40 * 86_400_000), days: 10 };
const future = { from: new Date(Date.now() + 40 * 86_400_000), days: 10 };

test.each<[what: string, make: () => Promise<Pair>, reason: RegExp]>([
  ["of another authority", () => makeClientPair(servers, "ci", year), /not made by an authority that this server/],
  [
    "of an authority with the same name",
    async () => makeClientPair(await makeAuthority("Clients", year), "ci", year),
    /not made by an authority that this server/,
  ],
  ["that has expired", () => makeClientPair(clients, "ci", past), /it has expired$/],
  ["that is not valid yet", () => makeClientPair(clients, "ci", future), /it is not valid yet$/],
  ["of a server", () => makeServerPair(clients, ["ci"], year), /it is not for clients$/],
  ["with a zero byte in its name", () => makeClientPair(clients, "ci\0.example.org", year), /cannot be read$/],
  ["with a line break in its name", () => makeClientPair(clients, "x\nCN=ci", year), /cannot be read$/],
  ["with letters that run backwards", () => makeClientPair(clients, "\u202eic", year), /cannot be read$/],
  ["with a zero byte in a URI", () => makeClientPair(clients, "x", year, ["uri:spiffe://a\0b"]), /cannot be read$/],
  ["with a URI of other letters", () => makeClientPair(clients, "x", year, ["uri:spiffe://é"]), /cannot be read$/],
])("a certificate %s is refused in words, whether or not one is required", async (_, make, reason) => {
  const pair = await make();
  for (const mode of ["optional", "required"] as const) {
    const { running, seen } = serve({ mode });
    const { status, body } = await ask(running.port, pair);
    expect(status).toBe(403);
    expect(body.errors[0].code).toBe("DENIED");
    expect(body.message).toMatch(reason);
    expect(seen.arrivals).toEqual([]);
  }
});

test("a name that looks like two is one", async () => {
  const { running } = serve();
  const pair = await makeClientPair(clients, "a, CN=ci", year);
  expect((await ask(running.port, pair)).body.certificate).toMatchObject({
    commonName: "a, CN=ci",
    subject: "CN=a\\, CN\\=ci",
  });
});

test("a revoked certificate is refused, on connections that are open too", async () => {
  const { running, seen } = serve();
  const { body } = await ask(running.port, ci);
  const socket = await open(running.port, ci);
  const answers = rest(socket);
  socket.write("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => seen.arrivals.length === 2 && running.inFlight === 0, "it is answered");
  running.renew(tlsFor("optional", { revoked: `# gone\n${body.certificate.serial.toUpperCase()}\n` }));
  socket.write("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(await answers).toMatch(/^HTTP\/1.1 200[\s\S]*HTTP\/1.1 403[\s\S]*it was revoked/);
  expect((await ask(running.port, ci)).body.message).toMatch(/it was revoked$/);
  expect((await ask(running.port)).status).toBe(200);
});

test("when the authority is another one, certificates of the old count no more, on open connections too", async () => {
  const { running, seen } = serve();
  const socket = await open(running.port, ci);
  const answers = rest(socket);
  socket.write("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => seen.arrivals.length === 1 && running.inFlight === 0, "it is answered");
  const next = await makeAuthority("Next", year);
  running.renew(tlsFor("optional", { clientAuthority: next.certificate }));
  socket.write("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(await answers).toMatch(/^HTTP\/1.1 200[\s\S]*HTTP\/1.1 403[\s\S]*not made by an authority/);
  expect((await ask(running.port, await makeClientPair(next, "ci", year))).status).toBe(200);
});

test("a session that is taken up again has its certificate", async () => {
  const { running } = serve();
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    let session: Buffer | undefined;
    const socket = await open(running.port, ci, { maxVersion });
    socket.on("session", (made: Buffer) => {
      session = made;
    });
    const answer = rest(socket);
    socket.write("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect(await answer).toContain('"commonName":"ci"');
    const again = await ask(running.port, ci, "/v2/", { maxVersion, session: session ?? socket.getSession() });
    expect(again.body.certificate.commonName).toBe("ci");
  }
});

test("the port behind answers nobody who comes by another way", async () => {
  const inner = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("") });
  stops.push(() => inner.stop(true));
  const terminator = openTerminator({
    host: "127.0.0.1",
    port: 0,
    reusePort: false,
    tls: tlsFor("optional"),
    innerPort: inner.port ?? 0,
  });
  stops.push(terminator.cut);
  const socket = await open(terminator.port, ci);
  let port = 0;
  await until(() => {
    for (let tried = 1024; tried < 65_536 && port === 0; tried++)
      if (terminator.peerOf({ address: "127.0.0.1", port: tried })) port = tried;
    return port !== 0;
  }, "the connection goes on behind");
  expect(terminator.peerOf({ address: "127.0.0.1", port })?.certificate?.commonName).toBe("ci");
  // Another address of this machine may use the same port.
  expect(terminator.peerOf({ address: "127.0.0.2", port })).toBeUndefined();
  expect(terminator.peerOf({ address: "::ffff:127.0.0.1", port })).toBeUndefined();
  expect(terminator.peerOf(null)).toBeUndefined();
  socket.destroy();
  await until(() => terminator.peerOf({ address: "127.0.0.1", port }) === undefined, "the port is forgotten");
});

test.each([false, true])(
  "a new pair greets new connections, and pulls and pushes go on (shared: %p)",
  async (shared) => {
    const { running } = serve({ reusePort: shared });
    const pull = await open(running.port, ci);
    const pulled = new Promise<number>((resolve) => {
      let length = 0;
      pull.on("data", (bytes: Buffer) => {
        length += bytes.length;
      });
      pull.on("close", () => resolve(length));
    });
    pull.pause();
    pull.write("GET /v2/big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const push = await open(running.port, ci);
    const pushed = rest(push);
    push.write("PATCH /v2/app HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfirst");
    await until(() => running.inFlight === 2, "both have arrived");
    const second = await makeServerPair(servers, ["second", "localhost", "127.0.0.1"], year);
    running.renew({ ...tlsFor("optional"), ...second });
    const met = await open(running.port, ci);
    expect(met.getPeerCertificate().subjectaltname).toContain("DNS:second");
    met.destroy();
    pull.resume();
    push.write("later");
    expect(await pushed).toContain('"received":10');
    expect(await pulled).toBeGreaterThan(bigBytes);
    expect(await running.stop(1000)).toBe(true);
  },
);

test("a client that does not read holds up nothing but its own pull", async () => {
  const { running } = serve();
  const before = process.memoryUsage.rss();
  const stalled = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = await open(running.port, ci);
      socket.pause();
      socket.write("GET /v2/big HTTP/1.1\r\nHost: localhost\r\n\r\n");
      return socket;
    }),
  );
  await until(() => running.inFlight === 20, "all have arrived");
  await Bun.sleep(200);
  expect((await ask(running.port, ci)).status).toBe(200);
  expect(process.memoryUsage.rss() - before).toBeLessThan(20 * 8 * 1024 * 1024);
  for (const socket of stalled) socket.destroy();
  await until(() => running.inFlight === 0, "the pulls are given up");
});

test("whoever makes more wait for clients than there is room for is cut off", async () => {
  const inner = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(Bun.file(big)) });
  stops.push(() => inner.stop(true));
  const to = { host: "127.0.0.1", port: 0, reusePort: false, tls: tlsFor("optional"), innerPort: inner.port ?? 0 };
  const pulls = async (maxWaitingBytes: number) => {
    const terminator = openTerminator({ ...to, maxWaitingBytes });
    stops.push(terminator.cut);
    const socket = await open(terminator.port, ci);
    socket.on("error", () => {});
    const all = rest(socket);
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    await Bun.sleep(300);
    socket.resume();
    return (await all).length;
  };
  expect(await pulls(16 * 1024 * 1024)).toBeGreaterThan(bigBytes);
  expect(await pulls(1024)).toBeLessThan(bigBytes);
});

test("clients that come and go at any moment are never taken for each other", async () => {
  const { running, seen } = serve();
  const names = ["a", "b", "c", "d"];
  const pairs = await Promise.all(names.map((name) => makeClientPair(clients, name, year)));
  const until = performance.now() + 1500;
  await Promise.all(
    Array.from({ length: 12 }, async (_, worker) => {
      for (let turn = worker; performance.now() < until; turn++) {
        const name = names[turn % names.length];
        const socket = await open(running.port, pairs[turn % names.length]);
        socket.on("error", () => {});
        const closed = rest(socket);
        socket.write(`GET /v2/${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(1 + (turn % 20)));
        // Before, while or after requests are read.
        if (turn % 3 === 0) await Bun.sleep(turn % 7);
        socket.destroy();
        await closed;
      }
    }),
  );
  expect(seen.mixedUp).toEqual([]);
  expect(seen.arrivals.length).toBeGreaterThan(100);
}, 20_000);

test("a push waits for a surface that reads slowly", async () => {
  const { running, seen } = serve();
  const socket = await open(running.port, ci);
  const answer = rest(socket);
  let written = 0;
  socket.write(`PUT /v2/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bigBytes}\r\nConnection: close\r\n\r\n`);
  const part = Buffer.alloc(256 * 1024, 1);
  while (written < bigBytes) {
    written += part.length;
    if (!socket.write(part)) await new Promise<void>((resolve) => socket.once("drain", () => resolve()));
    expect(written - seen.received).toBeLessThan(24 * 1024 * 1024);
  }
  expect(await answer).toContain(`"received":${bigBytes}`);
}, 20_000);

test("a client that goes away in the middle of its push ends the request", async () => {
  const { running, seen } = serve();
  const socket = await open(running.port, ci);
  socket.write("PUT /v2/app HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nfirst");
  await until(() => seen.received === 5, "it has arrived");
  socket.destroy();
  await until(() => running.inFlight === 0, "it is over");
  expect(seen.aborted).toBe(1);
});

test("an answer before the end of a long body reaches its client", async () => {
  const { running } = serve();
  for (let tries = 0; tries < 10; tries++) {
    const socket = await open(running.port, ci);
    const answer = rest(socket);
    socket.on("error", () => {});
    socket.write(`PUT /v2/early HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bigBytes}\r\n\r\n`);
    const part = Buffer.alloc(64 * 1024);
    for (let sent = 0; sent < 16 && socket.writable; sent++) {
      socket.write(part);
      await Bun.sleep(1);
    }
    expect(await answer).toStartWith("HTTP/1.1 413");
  }
});

test("idle connections are closed, and so are handshakes that do not come to an end", async () => {
  const { running } = serve({ idleTimeoutSeconds: 1 });
  const to = { host: "127.0.0.1", port: 0, reusePort: false, tls: tlsFor("optional") };
  const terminator = openTerminator({ ...to, innerPort: running.port, handshakeSeconds: 1 });
  stops.push(terminator.cut);
  const idle = await open(running.port, ci);
  const silent = connectPlainly(terminator.port, "127.0.0.1");
  await Promise.all([rest(idle), new Promise<void>((resolve) => silent.on("close", () => resolve()))]);
}, 30_000);

test("a stop waits until the last byte is on its way to a slow client", async () => {
  const { running } = serve();
  const socket = await open(running.port, ci);
  const idle = await open(running.port, ci);
  const answer = rest(socket);
  socket.pause();
  socket.write("GET /v2/big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => running.inFlight === 1, "it has arrived");
  const stopped = running.stop(10_000);
  const nothing = rest(idle);
  await Bun.sleep(200);
  socket.resume();
  expect(await stopped).toBe(true);
  expect(await nothing).toBe("");
  expect((await answer).length).toBeGreaterThan(bigBytes);
}, 20_000);

test("a stop cuts what does not end in time", async () => {
  const { running } = serve();
  const socket = await open(running.port, ci);
  socket.pause();
  socket.write("GET /v2/big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => running.inFlight === 1, "it has arrived");
  expect(await running.stop(50)).toBe(false);
  socket.resume();
  expect((await rest(socket)).length).toBeLessThan(bigBytes);
  await expect(open(running.port, ci)).rejects.toThrow();
});
