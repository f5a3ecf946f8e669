import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningServer, startServer } from "./listener.ts";
import { type SendableContent, type SendInit, sendContent } from "./send.ts";
import { exchange, recordingLog, until } from "./testing.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-send-"));
const ten = join(folder, "ten");
const empty = join(folder, "empty");
const big = join(folder, "big");
const bigBytes = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef!");
const plain = { "content-type": "application/octet-stream" };

let answerWith: () => [SendableContent, SendInit];
let server: RunningServer;
const { log, lines } = recordingLog();

beforeAll(() => {
  writeFileSync(ten, "0123456789");
  writeFileSync(empty, "");
  writeFileSync(big, bigBytes);
  const surface = async () => sendContent(...answerWith());
  server = startServer({
    listen: { host: "127.0.0.1", port: 0 },
    ready: async () => {},
    log,
  });
  server.serve({ registry: surface, api: surface });
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

function file(path: string, offset: number, sizeBytes: number): SendableContent {
  return { kind: "file", path, offset, sizeBytes };
}

function stream(...chunks: (string | Error)[]): SendableContent {
  async function* bytes() {
    for (const chunk of chunks) {
      // A pause lets what went before reach the socket.
      await Bun.sleep(5);
      if (chunk instanceof Error) throw chunk;
      yield Buffer.from(chunk);
    }
  }
  const sizeBytes = chunks.reduce((sum, chunk) => sum + (typeof chunk === "string" ? chunk.length : 1), 0);
  return { kind: "stream", stream: bytes, sizeBytes };
}

/** A body in chunked encoding that ends where the encoding does. */
function decoded(encoded: Buffer): Buffer {
  const body: Buffer[] = [];
  for (let at = 0, size = -1; size !== 0; ) {
    const end = encoded.indexOf("\r\n", at);
    size = Number.parseInt(encoded.toString("latin1", at, end), 16);
    body.push(encoded.subarray(end + 2, end + 2 + size));
    at = end + 4 + size;
    if (size === 0) expect(at).toBe(encoded.length);
  }
  return Buffer.concat(body);
}

function get(content: SendableContent, init: SendInit, headers: Record<string, string> = {}, method = "GET") {
  answerWith = () => [content, init];
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return exchange(server.port, `${method} /v2/x HTTP/1.1\r\nHost: localhost\r\n${lines.join("")}`);
}

test("a whole file", async () => {
  const answer = await get(file(ten, 0, 10), { status: 200, headers: { "content-type": "a/b", etag: '"e"' } });
  expect(answer.status).toBe(200);
  expect(answer.body.toString()).toBe("0123456789");
  const { date, "x-request-id": id, ...headers } = answer.headers.toJSON();
  expect(headers).toEqual({
    "content-type": "a/b",
    "content-length": "10",
    "content-disposition": "attachment",
    etag: '"e"',
  } as Record<string, string>);
});

test.each([
  [2, 3, "234"],
  [0, 4, "0123"],
  [0, 10, "0123456789"],
  [9, 1, "9"],
])("a part of a file from %i on, %i bytes", async (offset, size, expected) => {
  const range = `bytes ${offset}-${offset + size - 1}/10`;
  const answer = await get(
    file(ten, offset, size),
    { status: 206, headers: { ...plain, "content-range": range } },
    { Range: "bytes=5-6" },
  );
  expect(answer.status).toBe(206);
  expect(answer.headers.get("content-range")).toBe(range);
  expect(answer.headers.get("content-length")).toBe(String(size));
  expect(answer.body.toString()).toBe(expected);
});

// We decide about ranges. Bun does so too when a whole file is sent with status 200, and must be kept from it.
test.each([
  "bytes=1-2",
  "bytes=-3",
  "bytes=50-",
  "bytes=0-",
  "Bytes= 1-2",
  "bytes=1-2,4-5",
  "bytes=1-2,",
  "bytes=x",
  "lines=1-2",
])("200 is the whole file although the client asks for %s", async (range) => {
  const answer = await get(file(ten, 0, 10), { status: 200, headers: plain }, { Range: range });
  expect(answer.status).toBe(200);
  expect(answer.headers.has("content-range")).toBe(false);
  const chunked = answer.headers.get("transfer-encoding") === "chunked";
  expect(answer.body.toString()).toBe(chunked ? "a\r\n0123456789\r\n0\r\n\r\n" : "0123456789");
  // The one that lazy-pulling clients send stays with the kernel.
  if (range === "bytes=1-2,4-5") expect(chunked).toBe(false);
});

test("416 from a surface stays as it is", async () => {
  const headers = { "content-range": "bytes */10" };
  const answer = await get(file(empty, 0, 0), { status: 416, headers }, { Range: "bytes=50-" });
  expect(answer.status).toBe(416);
  expect(answer.headers.get("content-range")).toBe("bytes */10");
  expect(answer.body.length).toBe(0);
});

test.each([
  ["a file", file(ten, 0, 10)],
  ["a file that is gone", file(join(folder, "gone"), 0, 10)],
  ["a stream", stream("01234", "56789")],
])("HEAD of %s has its length and no body", async (_, content) => {
  const answer = await get(content, { status: 200, headers: { "content-type": "a/b" } }, {}, "HEAD");
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-length")).toBe("10");
  expect(answer.headers.get("content-type")).toBe("a/b");
  expect(answer.body.length).toBe(0);
});

test.each([
  ["file", file(empty, 0, 0)],
  ["stream", stream()],
])("an empty %s", async (_, content) => {
  const answer = await get(content, { status: 200, headers: plain });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-length")).toBe("0");
  expect(answer.body.length).toBe(0);
});

test("a file larger than the socket's buffers arrives unchanged", async () => {
  const answer = await get(file(big, 7, bigBytes.length - 7), { status: 200, headers: plain });
  expect(Buffer.compare(answer.body, bigBytes.subarray(7))).toBe(0);
});

test("a stream arrives in order and is read no faster than its client reads", async () => {
  let produced = 0;
  let ended = false;
  async function* endless() {
    try {
      while (produced < 100_000) {
        produced++;
        yield new Uint8Array(65_536);
      }
    } finally {
      ended = true;
    }
  }
  answerWith = () => [
    { kind: "stream", stream: endless, sizeBytes: 100_000 * 65_536 },
    { status: 200, headers: plain },
  ];
  const socket = connect(server.port, "127.0.0.1", () => socket.write("GET /v2/x HTTP/1.1\r\nHost: x\r\n\r\n"));
  socket.once("data", () => socket.pause());
  await until(() => produced > 10, "the stream flows");
  let before = -1;
  while (before !== produced) {
    before = produced;
    await Bun.sleep(100);
  }
  expect(produced).toBeLessThan(1000);
  socket.destroy();
  await until(() => ended, "the abandoned stream was closed");
});

test.each([
  ["a whole one", 200, {}],
  ["a part", 206, { "content-range": "bytes 3-9/20" }],
])("bytes in memory go with their length: %s", async (_, status, more) => {
  const headers = { "content-type": "a/b", ...more };
  const bytes = Buffer.from("0123456");
  // What the client asks for has been decided.
  const answer = await get({ kind: "bytes", bytes, sizeBytes: 7 }, { status, headers }, { Range: "bytes=1-2" });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-length")).toBe("7");
  expect(answer.headers.get("transfer-encoding")).toBeNull();
  expect(answer.headers.get("content-type")).toBe("a/b");
  expect(answer.headers.get("content-range")).toBe(status === 206 ? "bytes 3-9/20" : null);
  expect(answer.body.toString()).toBe("0123456");
});

test("large bytes in memory arrive unchanged", async () => {
  const bytes = bigBytes.subarray(0, 512 * 1024);
  const answer = await get({ kind: "bytes", bytes, sizeBytes: bytes.length }, { status: 200, headers: plain });
  expect(Buffer.compare(answer.body, bytes)).toBe(0);
});

test("a stream of chunks of any size arrives unchanged, and ends once", async () => {
  const sizes = [1, 262_144, 0, 300_000, 7, 65_536, 1_048_576, 3];
  async function* chunks() {
    let at = 0;
    for (const size of sizes) {
      yield bigBytes.subarray(at, at + size);
      at += size;
    }
  }
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
  const answer = await get({ kind: "stream", stream: chunks, sizeBytes }, { status: 200, headers: plain });
  expect(decoded(answer.body).equals(bigBytes.subarray(0, sizeBytes))).toBe(true);
});

test.each([true, false])(
  "a stream arrives unchanged at a client that stops; given away %p: its memory is freed",
  async (isGivenAway) => {
    const sizes = [...Array<number>(80).fill(262_144), 1000];
    const given: Uint8Array[] = [];
    async function* chunks() {
      for (const [index, size] of sizes.entries()) {
        const chunk = new Uint8Array(size).fill(index + 1);
        given.push(chunk);
        yield chunk;
      }
    }
    const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
    answerWith = () => [
      { kind: "stream", stream: chunks, sizeBytes, isGivenAway },
      { status: 200, headers: plain },
    ];
    const request = "GET /v2/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const socket = connect(server.port, "127.0.0.1", () => socket.write(request));
    const received: Buffer[] = [];
    socket.on("data", (part: Buffer) => received.push(part));
    socket.once("data", () => socket.pause());
    await until(() => given.length > 5, "the stream flows");
    let before = -1;
    while (before !== given.length) {
      before = given.length;
      await Bun.sleep(50);
    }
    expect(given.length).toBeLessThan(sizes.length);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    await closed;
    const answer = Buffer.concat(received);
    const body = decoded(answer.subarray(answer.indexOf("\r\n\r\n") + 4));
    const expected = Buffer.concat(sizes.map((size, index) => Buffer.alloc(size, index + 1)));
    expect(body.equals(expected)).toBe(true);
    expect(given.map(({ length }) => length)).toEqual(sizes.map((size) => (isGivenAway && size > 1000 ? 0 : size)));
  },
);

test("a stream that is given away is whole for who reads the response in this process", async () => {
  const chunk = bigBytes.slice(0, 262_144);
  async function* chunks() {
    yield chunk;
    yield bigBytes.slice(262_144, 300_000);
  }
  const content: SendableContent = { kind: "stream", stream: chunks, sizeBytes: 300_000, isGivenAway: true };
  const bytes = await sendContent(content, { status: 200, headers: plain }).bytes();
  expect(Buffer.from(bytes).equals(bigBytes.subarray(0, 300_000))).toBe(true);
  expect(chunk.length).toBe(262_144);
});

test("streams that clients leave half-way are closed, whether the source or the socket is slow", async () => {
  let open = 0;
  const streamed = (pauseMs: number) =>
    async function* () {
      open++;
      try {
        for (let count = 0; count < 10_000; count++) {
          if (pauseMs > 0) await Bun.sleep(pauseMs);
          yield bigBytes.subarray(0, 262_144);
        }
      } finally {
        open--;
      }
    };
  for (const pauseMs of [0, 20]) {
    const content: SendableContent = { kind: "stream", stream: streamed(pauseMs), sizeBytes: 10_000 * 262_144 };
    answerWith = () => [content, { status: 200, headers: plain }];
    const sockets = Array.from({ length: 20 }, () => {
      const socket = connect(server.port, "127.0.0.1", () => socket.write("GET /v2/x HTTP/1.1\r\nHost: x\r\n\r\n"));
      socket.once("data", () => socket.pause());
      return socket;
    });
    await until(() => open === 20, "all streams flow");
    await Bun.sleep(50);
    for (const socket of sockets) socket.destroy();
    await until(() => open === 0, "all streams are closed");
    await until(() => server.inFlight === 0, "no request is left");
  }
  expect(lines.filter(({ level }) => level === "error")).toEqual([]);
});

test("a stream that fails cuts the connection, so that nobody takes the part for the whole", async () => {
  const answer = await get(stream("01234", new Error("the disk is gone")), { status: 200, headers: plain });
  expect(answer.status).toBe(200);
  expect(answer.body.toString()).toBe("5\r\n01234\r\n");
  const line = lines.findLast(({ level }) => level === "error");
  expect(line).toMatchObject({
    msg: "an answer broke off: its content could not be read",
    error: { message: "the disk is gone" },
  });
  expect(line?.requestId).toBe(answer.headers.get("x-request-id"));
});

test("a file that is gone is a generic error", async () => {
  const answer = await get(file(join(folder, "gone"), 0, 10), { status: 200, headers: plain });
  expect(answer.status).toBe(500);
  expect(answer.body.toString()).not.toContain("gone");
  expect(lines.at(-1)).toMatchObject({ level: "error", msg: "an answer could not be sent", error: { code: "ENOENT" } });
});

test("clients that leave half-way leave no descriptor behind", async () => {
  const open = () => readdirSync("/proc/self/fd").length;
  answerWith = () => [file(big, 0, bigBytes.length), { status: 200, headers: plain }];
  const before = open();
  await Promise.all(
    Array.from({ length: 50 }, () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const socket = connect(server.port, "127.0.0.1", () => socket.write("GET /v2/x HTTP/1.1\r\nHost: x\r\n\r\n"));
      socket.once("data", () => socket.destroy());
      socket.on("close", () => resolve());
      return promise;
    }),
  );
  await until(() => open() <= before, "all descriptors are closed");
  await until(() => server.inFlight === 0, "no request is left");
});
