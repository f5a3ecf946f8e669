import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, unlink } from "node:fs/promises";
import type { Peer } from "./peers.ts";

/** What is measured. curl moves the bytes, so that the client costs every peer the same. */

async function curl(peer: Peer, args: string[]): Promise<string> {
  const header = peer.authorization ? ["-H", `Authorization: ${peer.authorization}`] : [];
  const client = Bun.spawn(["curl", "-sS", "--fail", ...header, ...args], { stdout: "pipe", stderr: "pipe" });
  const [out, errors] = await Promise.all([new Response(client.stdout).text(), new Response(client.stderr).text()]);
  if ((await client.exited) !== 0) throw new Error(`${peer.name}: curl ${args.at(-1)}: ${errors.trim()}`);
  return out;
}

async function timed(peer: Peer, work: () => Promise<unknown>) {
  const [cpu, start] = [peer.cpuSeconds(), performance.now()];
  await work();
  return { wallSeconds: (performance.now() - start) / 1000, cpuSeconds: peer.cpuSeconds() - cpu };
}

export function pull(peer: Peer) {
  return timed(peer, () => curl(peer, ["-o", "/dev/null", peer.origin + peer.blobPath]));
}

/** A streamed PATCH and a PUT, as Docker does it. Each round has a repository of its own, so nothing is there already. */
export async function push(peer: Peer, file: string, repository: string) {
  const digest = await sha256(file);
  const sample = await timed(peer, async () => {
    const upload = await begin(peer, `bench/${repository}`);
    const headers = ["-H", "Content-Type: application/octet-stream", "-H", "Expect:"];
    const patched = await curl(peer, ["-X", "PATCH", "-T", file, ...headers, "-o", "/dev/null", "-D", "-", upload]);
    await curl(peer, ["-X", "PUT", withDigest(location(peer, patched), digest)]);
  });
  peer.blobPath = `/v2/bench/${repository}/blobs/${digest}`;
  return sample;
}

/** Pushes a small image and answers the URL of its manifest. */
export async function pushManifest(peer: Peer): Promise<string> {
  const config = "{}";
  const digest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
  const upload = await begin(peer, "bench/small");
  // Without a type curl says "form", and Distribution would read the blob as one.
  const headers = ["-H", "Content-Type: application/octet-stream"];
  await curl(peer, ["-X", "PUT", ...headers, "--data-binary", config, withDigest(upload, digest)]);
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: config.length };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [] });
  const url = `${peer.origin}/v2/bench/small/manifests/latest`;
  await curl(peer, ["-X", "PUT", "-H", `Content-Type: ${mediaType}`, "--data-binary", manifest, url]);
  return url;
}

/** The least that a push can cost: read, hash, write and sync the same bytes once. Seconds. */
export async function hashAndWriteOnce(from: string, to: string): Promise<number> {
  const start = performance.now();
  const hash = new Bun.CryptoHasher("sha256");
  const target = await open(to, "w");
  let written: Promise<unknown> = Promise.resolve();
  for await (const chunk of createReadStream(from, { highWaterMark: 1 << 20 })) {
    await written;
    written = target.write(chunk);
    hash.update(chunk);
  }
  await written;
  await target.sync();
  await target.close();
  hash.digest("hex");
  const seconds = (performance.now() - start) / 1000;
  await unlink(to);
  return seconds;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

async function begin(peer: Peer, repository: string): Promise<string> {
  const url = `${peer.origin}/v2/${repository}/blobs/uploads/`;
  return location(peer, await curl(peer, ["-X", "POST", "-o", "/dev/null", "-D", "-", url]));
}

function location(peer: Peer, headers: string): string {
  const found = /^location:\s*(\S+)/im.exec(headers)?.[1];
  if (!found) throw new Error(`${peer.name}: no Location in the answer`);
  return new URL(found, peer.origin).href;
}

function withDigest(upload: string, digest: string): string {
  const url = new URL(upload);
  url.searchParams.set("digest", digest);
  return url.href;
}

let known: { file: string; digest: string } | undefined;
async function sha256(file: string): Promise<string> {
  if (known?.file !== file) {
    const hash = new Bun.CryptoHasher("sha256");
    for await (const chunk of Bun.file(file).stream()) hash.update(chunk);
    known = { file, digest: `sha256:${hash.digest("hex")}` };
  }
  return known.digest;
}
