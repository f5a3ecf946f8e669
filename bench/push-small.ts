/**
 * Pushes small images (two blobs of 1 KiB and a manifest) into one repository as fast as 32 clients can, and prints how
 * many a second as JSON. `push-small.ts ORIGIN AUTHORIZATION SECONDS`.
 */
import { createHash, randomBytes } from "node:crypto";

const [origin = "", authorization = "", seconds = "5"] = process.argv.slice(2);
const clients = 32;
const repository = `${origin}/v2/bench/images`;
const end = performance.now() + Number(seconds) * 1000;
let pushed = 0;

async function ask(method: string, url: string, type: string, body?: Uint8Array): Promise<Response> {
  const headers: Record<string, string> = { "content-type": type };
  if (authorization) headers.authorization = authorization;
  const answer = await fetch(url, { method, headers, body });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status}`);
  return answer;
}

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function pushBlob(mediaType: string) {
  const bytes = randomBytes(1024);
  const digest = sha256(bytes);
  const begun = await ask("POST", `${repository}/blobs/uploads/`, "application/octet-stream");
  const upload = new URL(begun.headers.get("location") ?? "", origin);
  upload.searchParams.set("digest", digest);
  await ask("PUT", upload.href, "application/octet-stream", bytes);
  return { mediaType, digest, size: bytes.length };
}

async function pushImage(tag: string): Promise<void> {
  const config = await pushBlob("application/vnd.oci.image.config.v1+json");
  const layer = await pushBlob("application/vnd.oci.image.layer.v1.tar+gzip");
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] }));
  await ask("PUT", `${repository}/manifests/${tag}`, mediaType, manifest);
}

async function client(number: number): Promise<void> {
  for (let image = 0; performance.now() < end; image++) {
    await pushImage(`c${number}-${image}`);
    pushed++;
  }
}

// Makes the repository, where a push does that, before many clients want to.
await pushImage("first");
const start = performance.now();
await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
console.log(JSON.stringify({ perSecond: pushed / ((performance.now() - start) / 1000) }));
