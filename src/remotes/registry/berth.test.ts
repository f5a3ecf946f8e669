import { afterAll, beforeAll, expect, test } from "bun:test";
import { SetRepositoryPolicyCommand } from "@aws-sdk/client-ecr";
import { digestOf, type InProcess, inProcess, keyPair, mediaTypes } from "../../../test/support/berth.ts";
import type { Digest, Tag } from "../../domain/names.ts";
import type { RemoteRegistry } from "../../domain/registry/remote-registry.ts";
import { createRemotes } from "./index.ts";

/** Against another Berth, over sockets of this machine: what is written there can be read again. */

let berth: InProcess;
let server: Bun.Server<undefined>;
let remote: RemoteRegistry;
const remotes = createRemotes({ pauseMs: 1 });
const signal = new AbortController().signal;
const own = { reach: { private: false, loopback: true, insecure: true } };
const credentials = {
  read: async () => ({ user: keyPair.accessKeyId, password: keyPair.secretAccessKey }),
};

beforeAll(async () => {
  berth = await inProcess({ createOnPush: true });
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: (request) => berth.surfaces.registry(request, arrival()),
  });
  remote = remotes.open({ origin: server.url.origin, credentials, ...own });
});
afterAll(async () => {
  remotes.close();
  await server.stop(true);
  await berth.close();
});

function arrival() {
  return { requestId: crypto.randomUUID(), sourceIp: "127.0.0.1", secureTransport: false, note: () => {} };
}

async function* pieces(content: Uint8Array, offset = 0) {
  for (let at = offset; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
}

async function whole(bytes: AsyncIterable<Uint8Array>) {
  const chunks = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("an image that is written can be read again", async () => {
  const layer = new Uint8Array(3 * 1024 * 1024).fill(7);
  const config = Buffer.from("{}");
  for (const content of [layer, config]) {
    const blob = { digest: digestOf(content) as Digest, sizeBytes: content.length };
    await remote.putBlob("made/here", blob, (offset) => pieces(content, offset), { signal });
    expect(await remote.statBlob("made/here", blob.digest, { signal })).toEqual({ sizeBytes: content.length });
    const read = await remote.blob("made/here", blob.digest, { signal, offset: 1 });
    expect({ ...read, bytes: undefined }).toEqual({ sizeBytes: content.length, offset: 1, bytes: undefined });
    expect(read && (await whole(read.bytes)).equals(content.subarray(1))).toBe(true);
  }
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: mediaTypes.layer, digest: digestOf(layer), size: layer.length }],
  });
  const bytes = Buffer.from(manifest);
  const tag = { tag: "v1" as Tag };
  const digest = digestOf(manifest) as Digest;
  await remote.putManifest("made/here", tag, { mediaType: mediaTypes.manifest, bytes }, { signal });
  expect(await remote.statManifest("made/here", tag, { signal })).toEqual({
    digest,
    mediaType: mediaTypes.manifest,
    sizeBytes: bytes.length,
  });
  const read = await remote.manifest("made/here", { digest }, { signal });
  expect(read).toEqual({ mediaType: mediaTypes.manifest, bytes });
  expect(await remote.manifest("made/here", tag, { signal, unless: digest })).toBe("unchanged");
  expect(await Array.fromAsync(remote.tags("made/here", { signal }))).toEqual(["v1"]);
  expect(await Array.fromAsync(remote.repositories({ signal }))).toEqual(["made/here"]);
  expect(await remote.referrers("made/here", digest, { signal })).toEqual([]);
  expect(await remote.mountBlob("other/there", digestOf(layer) as Digest, "made/here", { signal })).toBe(true);
  expect(await remote.deleteManifest("made/here", { digest }, { signal })).toBe(true);
  expect(await remote.deleteManifest("made/here", { digest }, { signal })).toBe(false);
});

test("an upload that broke goes on from where it arrived", async () => {
  const content = new Uint8Array(4 * 1024 * 1024).fill(9);
  const blob = { digest: digestOf(content) as Digest, sizeBytes: content.length };
  let begun = "";
  const keep = async (location: string) => {
    begun = location;
  };
  async function* broken() {
    yield* pieces(content.subarray(0, 2 * 1024 * 1024));
    throw new Error("the source is gone");
  }
  await expect(remote.putBlob("made/here", blob, broken, { signal, upload: { keep } })).rejects.toThrow(
    "source is gone",
  );
  const offsets: number[] = [];
  await remote.putBlob(
    "made/here",
    blob,
    (offset) => {
      offsets.push(offset);
      return pieces(content, offset);
    },
    { signal, upload: { begun, keep } },
  );
  // It may still be taking what came before the connection ended when it is asked, and then refuses what is sent again.
  expect(offsets.at(-1)).toBeGreaterThan(0);
  expect(await remote.statBlob("made/here", blob.digest, { signal })).toEqual({ sizeBytes: content.length });
});

test("what is not there is no failure", async () => {
  const digest = digestOf("nothing") as Digest;
  expect(await remote.statManifest("no/such", { digest }, { signal })).toBeUndefined();
  expect(await remote.manifest("no/such", { tag: "x" as Tag }, { signal })).toBeUndefined();
  expect(await remote.statBlob("no/such", digest, { signal })).toBeUndefined();
  expect(await remote.blob("no/such", digest, { signal })).toBeUndefined();
  expect(await Array.fromAsync(remote.tags("no/such", { signal }))).toEqual([]);
  expect(await remote.referrers("no/such", digest, { signal })).toEqual([]);
});

test("whoever has no credentials, or wrong ones, is denied", async () => {
  await remote.ping({ signal });
  const nobody = remotes.open({ origin: server.url.origin, ...own });
  await expect(nobody.ping({ signal })).rejects.toMatchObject({ problem: "denied" });
  const wrong = { read: async () => ({ user: keyPair.accessKeyId, password: "not-it" }) };
  const stranger = remotes.open({ origin: server.url.origin, credentials: wrong, ...own });
  await expect(stranger.ping({ signal })).rejects.toMatchObject({ problem: "denied", facts: { status: 401 } });
});

test("who has no credentials reads with a token where that is allowed", async () => {
  const open = await inProcess({ createOnPush: true, publicAccess: true });
  const tokens: string[] = [];
  const listener = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const url = new URL(request.url);
      if (url.pathname === "/v2/token") tokens.push(url.search);
      return open.surfaces.registry(request, arrival());
    },
  });
  await open.pushImage("open/here", "v1", "content");
  await open.ecr().send(
    new SetRepositoryPolicyCommand({
      repositoryName: "open/here",
      policyText: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Principal: "*",
            Action: ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages"],
          },
        ],
      }),
    }),
  );
  const anonymous = remotes.open({ origin: listener.url.origin, ...own });
  expect(await anonymous.manifest("open/here", { tag: "v1" as Tag }, { signal })).toMatchObject({
    mediaType: mediaTypes.manifest,
  });
  expect(await Array.fromAsync(anonymous.tags("open/here", { signal }))).toEqual(["v1"]);
  expect(tokens.length).toBe(1);
  await listener.stop(true);
  await open.close();
});
