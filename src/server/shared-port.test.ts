import { expect, test } from "bun:test";
import { CannotListen, type ServerOptions, startServer } from "./listener.ts";
import { openSharedPort } from "./shared-port.ts";
import { recordingLog } from "./testing.ts";

function options(port = 0, host = "127.0.0.1"): ServerOptions {
  return { listen: { host, port }, ready: async () => {}, log: recordingLog().log };
}

const surface = async () => new Response("served");

test("others of ours get onto the port, nobody else does, and it is free when all have left", async () => {
  const shared = openSharedPort(options());
  const { port } = shared;
  const taken = () => {
    expect(() => openSharedPort(options(port))).toThrow(CannotListen);
    expect(() => openSharedPort(options(port, "0.0.0.0"))).toThrow(CannotListen);
    expect(() => startServer(options(port))).toThrow(CannotListen);
  };
  taken();
  const ours = [1, 2].map(() => startServer({ ...options(port), reusePort: true }));
  shared.release();
  taken();
  for (const server of ours) server.serve({ registry: surface, api: surface });
  for (let asked = 0; asked < 10; asked++) {
    const answer = await fetch(`${shared.url}/v2/`, { keepalive: false });
    expect(await answer.text()).toBe("served");
  }
  await Promise.all(ours.map((server) => server.stop(0)));
  await startServer(options(port)).stop(0);
});

test("while none of ours listens the holder says that Berth is starting", async () => {
  const shared = openSharedPort(options());
  const answer = await fetch(`${shared.url}/v2/`, { keepalive: false });
  expect([answer.status, await answer.json()]).toEqual([503, { message: "Berth is starting" }]);
  expect((await fetch(`${shared.url}/healthz`, { keepalive: false })).status).toBe(200);
  shared.release();
  shared.hold();
  expect((await fetch(`${shared.url}/v2/`, { keepalive: false })).status).toBe(503);
  shared.release();
});

test("a port that was lost meanwhile is not shared with whoever has it now", async () => {
  const shared = openSharedPort(options());
  shared.release();
  const other = openSharedPort(options(shared.port));
  expect(() => shared.hold()).toThrow(CannotListen);
  other.release();
});
