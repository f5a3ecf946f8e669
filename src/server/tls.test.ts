import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type PeerCertificate } from "node:tls";
import { makeAuthority, makeClientPair, makeServerPair, type Pair } from "../cli/certificates.ts";
import { type RunningServer, startServer } from "./listener.ts";
import { type SendableContent, sendContent } from "./send.ts";
import { recordingLog } from "./testing.ts";
import { openTls, readTls, type TlsFiles, TlsUnusable } from "./tls.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-tls-"));
afterAll(() => rmSync(folder, { recursive: true }));

const [chunkCount, chunkBytes] = [120, 256 * 1024];

const year = { from: new Date(), days: 365 };
const names = ["localhost", "127.0.0.1"];
let authority: Pair;
let [first, second, expired]: Pair[] = [];
beforeAll(async () => {
  authority = await makeAuthority("Test authority", year);
  [first, second] = [
    await makeServerPair(authority, ["first", ...names], year),
    await makeServerPair(authority, ["second", ...names], year),
  ];
  expired = await makeServerPair(authority, names, { from: new Date(Date.now() - 100 * 86_400_000), days: 10 });
});

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Files of their own for each test. */
function files(pair: Pair | undefined, options: Partial<TlsFiles> = {}): TlsFiles {
  const own = mkdtempSync(join(folder, "files-"));
  const found = { certificate: join(own, "server.crt"), key: join(own, "server.key"), minVersion: "1.2" as const };
  write(found, pair);
  return { ...found, ...options };
}

function write({ certificate, key }: TlsFiles, pair: Pair | undefined): void {
  writeFileSync(key, pair?.key ?? "", { mode: 0o600 });
  writeFileSync(certificate, pair?.certificate ?? "");
}

function file(content: string): string {
  const path = join(mkdtempSync(join(folder, "file-")), "content");
  writeFileSync(path, content);
  return path;
}

/** Chunks that are freed as soon as they are sent: each full of its number. */
function chunks(): SendableContent {
  async function* stream() {
    for (let number = 0; number < chunkCount; number++) yield new Uint8Array(chunkBytes).fill(number);
  }
  return { kind: "stream", stream, sizeBytes: chunkCount * chunkBytes, isGivenAway: true };
}

/** A listener whose pair is taken from files that are looked at often. */
function serve(given: TlsFiles, reusePort = false) {
  const { log, lines } = recordingLog();
  const keeper = openTls(given, log, { pollMs: 20 });
  const big = file("x".repeat(bigBytes));
  const server: RunningServer = startServer({
    listen: { host: "127.0.0.1", port: 0 },
    reusePort,
    tls: keeper.current,
    ready: async () => {},
    log,
  });
  keeper.watch(server.renew);
  server.serve({
    registry: async (request) =>
      request.url.endsWith("/chunks")
        ? sendContent(chunks(), { status: 200, headers: {} })
        : request.url.endsWith("/big")
          ? sendContent({ kind: "file", path: big, offset: 0, sizeBytes: bigBytes }, { status: 200, headers: {} })
          : Response.json({ url: request.url, received: (await request.bytes()).length }),
    api: async (_, { secureTransport }) => Response.json({ secureTransport }),
  });
  stops.push(() => server.stop(0), keeper.stop);
  const said = (message: RegExp) => lines.filter(({ msg }) => message.test(String(msg)));
  return { server, keeper, said };
}

/** More than sockets and their buffers hold. */
const bigBytes = 48 * 1024 * 1024;

interface Met {
  readonly names: string;
  readonly protocol: string;
  readonly answer: string;
}

/** One request on a connection of its own. */
function meet(port: number, options: ConnectionOptions = {}): Promise<Met> {
  return new Promise((resolve, reject) => {
    let answer = "";
    let met: Pick<Met, "names" | "protocol"> | undefined;
    const socket = connect(
      { port, host: "127.0.0.1", ca: authority.certificate, servername: "localhost", ...options },
      () => {
        const peer: PeerCertificate = socket.getPeerCertificate();
        met = { names: peer.subjectaltname ?? "", protocol: socket.getProtocol() ?? "" };
        socket.write("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      },
    );
    socket.on("data", (bytes: Buffer) => {
      answer += bytes.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => (met && answer !== "" ? resolve({ ...met, answer }) : reject(new Error("no answer"))));
  });
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(10);
  }
}

/** Connections that are being opened in the moment of the change may be reset. */
async function untilSecond(port: number): Promise<void> {
  const greeting = () => meet(port).catch(() => undefined);
  await until(async () => (await greeting())?.names.includes("DNS:second") ?? false, "the second is in use");
}

test("fetch with the authority is served, and surfaces learn that the transport is secure", async () => {
  const { server } = serve(files(first));
  expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
  const tls = { ca: authority.certificate };
  expect(await (await fetch(`${server.url}/v2/`, { tls })).json()).toEqual({
    url: `${server.url}/v2/`,
    received: 0,
  });
  expect(await (await fetch(server.url, { method: "POST", tls })).json()).toEqual({ secureTransport: true });
});

test("a client that trusts another authority, or expects another name, does not connect", async () => {
  const { server } = serve(files(first));
  const other = await makeAuthority("Another authority", year);
  await expect(fetch(`${server.url}/v2/`, { tls: { ca: other.certificate } })).rejects.toThrow(/certificate/);
  await expect(meet(server.port, { ca: other.certificate })).rejects.toThrow();
  await expect(meet(server.port, { servername: "registry.example.com" })).rejects.toThrow();
});

test.each([
  ["1.2", "TLSv1.1", undefined],
  ["1.2", "TLSv1.2", "TLSv1.2"],
  ["1.2", "TLSv1.3", "TLSv1.3"],
  ["1.3", "TLSv1.2", undefined],
  ["1.3", "TLSv1.3", "TLSv1.3"],
] as const)("with minimum version %s, %s is answered with %s", async (minVersion, version, spoken) => {
  const { server } = serve(files(first, { minVersion }));
  const met = meet(server.port, { minVersion: version, maxVersion: version });
  if (spoken === undefined) await expect(met).rejects.toThrow();
  else expect((await met).protocol).toBe(spoken);
});

test("plain HTTP gets nothing from a port that speaks TLS", async () => {
  const { server } = serve(files(first));
  await expect(fetch(`http://127.0.0.1:${server.port}/v2/`)).rejects.toThrow();
});

test("with a client authority, only who shows one of its certificates is served", async () => {
  const clients = await makeAuthority("Client authority", year);
  const { server } = serve(files(first, { clientAuthority: file(clients.certificate) }));
  const known = await makeClientPair(clients, "ci", year);
  const stranger = await makeClientPair(authority, "ci", year);
  expect((await meet(server.port, { cert: known.certificate, key: known.key })).answer).toStartWith("HTTP/1.1 200");
  await expect(meet(server.port)).rejects.toThrow();
  await expect(meet(server.port, { cert: stranger.certificate, key: stranger.key })).rejects.toThrow();
});

test.each([false, true])(
  "a new pair greets new connections, and a slow pull goes on (shared port: %p)",
  async (shared) => {
    const given = files(first);
    const { server, said } = serve(given, shared);
    const pull = await fetch(`${server.url}/v2/big`, { tls: { ca: authority.certificate } });
    const reader = pull.body?.getReader();
    let received = (await reader?.read())?.value?.length ?? 0;
    expect((await meet(server.port)).names).toContain("DNS:first");

    write(given, second);
    await untilSecond(server.port);
    expect(server.inFlight).toBe(1);
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
      received += part.value.length;
    expect(received).toBe(bigBytes);
    await until(() => server.inFlight === 0, "the old listener is done");
    expect(said(/was renewed/).length).toBe(1);
    expect(await server.stop(1000)).toBe(true);
  },
);

test("chunks that are freed once they are sent arrive unchanged at clients that stop now and then", async () => {
  const { server } = serve(files(first));
  const pull = async (index: number) => {
    const response = await fetch(`${server.url}/v2/chunks`, { tls: { ca: authority.certificate } });
    const received: Uint8Array[] = [];
    for await (const part of response.body ?? []) {
      received.push(part);
      if (received.length % 16 === index) await Bun.sleep(10);
    }
    return Buffer.concat(received);
  };
  for (const body of await Promise.all([0, 1, 2].map(pull))) {
    expect(body.length).toBe(chunkCount * chunkBytes);
    const wrong = body.findIndex((byte, at) => byte !== Math.floor(at / chunkBytes));
    expect(wrong).toBe(-1);
  }
});

test.each([false, true])("a push whose body is on its way goes on too (shared port: %p)", async (shared) => {
  const given = files(first);
  const { server } = serve(given, shared);
  const ended = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect({ port: server.port, host: "127.0.0.1", servername: "localhost", ca: authority.certificate });
  socket.on("data", (bytes: Buffer) => {
    answer += bytes.toString();
  });
  socket.on("error", ended.reject);
  socket.on("close", () => ended.resolve(answer));
  socket.write("PATCH /v2/app HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfirst");
  await until(() => server.inFlight === 1, "the request has arrived");

  write(given, second);
  await untilSecond(server.port);
  socket.write("later");
  expect(await ended.promise).toContain('"received":10');
});

test("a broken new pair is logged and the old one stays; a good one after it is taken", async () => {
  const given = files(first);
  const { server, said } = serve(given);
  writeFileSync(given.key, second?.key ?? "");
  await until(() => said(/cannot be used/).length > 0, "it is logged");
  await Bun.sleep(100);
  expect(said(/cannot be used/).map(({ reason }) => reason)).toEqual([
    `tls.key: ${given.key} is not the key of the certificate in ${given.certificate}`,
  ]);
  expect((await meet(server.port)).names).toContain("DNS:first");

  rmSync(given.certificate);
  await until(() => said(/cannot be used/).length > 1, "the missing file is logged");
  write(given, second);
  await untilSecond(server.port);
});

test("who asks need not wait", async () => {
  const { log } = recordingLog();
  const given = files(first);
  const keeper = openTls(given, log, { pollMs: 60_000 });
  stops.push(keeper.stop);
  const seen: string[] = [];
  keeper.watch(({ certificate }) => seen.push(certificate));
  keeper.look();
  expect(seen).toEqual([]);
  write(given, second);
  keeper.look();
  expect(seen).toEqual([second?.certificate ?? ""]);
  expect(keeper.current.certificate).toBe(second?.certificate ?? "");
});

test("a pair that a listener cannot use is not the current one", () => {
  const { log, lines } = recordingLog();
  const given = files(first);
  const keeper = openTls(given, log);
  stops.push(keeper.stop);
  keeper.watch(() => {
    throw new Error("no port");
  });
  write(given, second);
  keeper.look();
  expect(keeper.current.certificate).toBe(first?.certificate ?? "");
  expect(lines.map(({ msg }) => msg)).toEqual(["the TLS certificate could not be renewed: the one before stays"]);
});

test("after a stop, a renewal opens nothing", async () => {
  const { server } = serve(files(first));
  await server.stop(0);
  server.renew(readTls(files(second)).tls);
  await expect(meet(server.port)).rejects.toThrow();
});

test.each<[what: string, make: () => TlsFiles, message: RegExp]>([
  [
    "a missing certificate",
    () => files(first, { certificate: "/none.crt" }),
    /^tls\.certificate: \/none\.crt cannot be read: there is no such file$/,
  ],
  [
    "a missing key",
    () => files(first, { key: "/none.key" }),
    /^tls\.key: \/none\.key cannot be read: there is no such file$/,
  ],
  ["a folder", () => files(first, { certificate: folder }), /^tls\.certificate: .* cannot be read: it is a folder$/],
  [
    "no certificate",
    () => files(first, { certificate: file("hello") }),
    /^tls\.certificate: .* has no certificate in PEM/,
  ],
  [
    "a damaged certificate",
    () => files(first, { certificate: file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----") }),
    /^tls\.certificate: .* has a certificate that cannot be read$/,
  ],
  ["no key", () => files(first, { key: file("hello") }), /^tls\.key: .* has no private key in PEM/],
  [
    "an encrypted key",
    () => files(first, { key: file("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA") }),
    /^tls\.key: .* is encrypted\. Decrypt it/,
  ],
  [
    "another key",
    () => files(first, { key: file(second?.key ?? "") }),
    /^tls\.key: .* is not the key of the certificate in/,
  ],
  [
    "a client authority that is none",
    () => files(first, { clientAuthority: file(second?.certificate ?? "") }),
    /^tls\.clientAuthority: .* not an authority's \(CN=second\)$/,
  ],
])("%s is refused with the setting and the file", (_, make, message) => {
  expect(() => readTls(make())).toThrow(TlsUnusable);
  expect(() => readTls(make())).toThrow(message);
});

test.each([
  ["expired", () => expired, new Date(), /has expired$/],
  ["about to expire", () => first, new Date(Date.now() + 360 * 86_400_000), /expires soon$/],
  ["not valid yet", () => first, new Date(Date.now() - 86_400_000), /is not valid yet$/],
])("a certificate that is %s is used with a warning, once a day", async (_, pair, now, message) => {
  const { log, lines } = recordingLog();
  const keeper = openTls(files(pair()), log, { pollMs: 10, clock: () => now });
  stops.push(keeper.stop);
  await Bun.sleep(100);
  expect(lines.map(({ level }) => level)).toEqual(["warn"]);
  expect(lines[0]?.msg).toMatch(message);
});

test("a key that everybody can read is used with a warning", () => {
  const { log, lines } = recordingLog();
  const given = files(first);
  chmodSync(given.key, 0o644);
  stops.push(openTls(given, log).stop);
  expect(lines.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
    "warn the TLS key can be read by other users of this machine: chmod 600",
  ]);
});
