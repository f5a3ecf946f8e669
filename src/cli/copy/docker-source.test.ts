import { afterAll, afterEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Archive, openArchive } from "./archive-files.ts";
import { openDockerSource } from "./docker-source.ts";
import { endOfArchive, headerFor, padding } from "./tar-writing.ts";

/** Archives of `docker save` that are not what they say. */

const root = mkdtempSync(join(tmpdir(), "berth-docker-source-"));
afterAll(() => rmSync(root, { recursive: true }));

const opened: Archive[] = [];
afterEach(async () => {
  for (const archive of opened.splice(0)) await archive.close();
});

const signal = new AbortController().signal;
const text = (value: string) => new TextEncoder().encode(value);
const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const configFor = (...diffIds: unknown[]) => text(JSON.stringify({ rootfs: { type: "layers", diff_ids: diffIds } }));

async function open(
  files: Record<string, Uint8Array | string>,
  pack: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
) {
  const parts = Object.entries(files).flatMap(([path, content]) => {
    const bytes = typeof content === "string" ? text(content) : content;
    return [headerFor(path, bytes.length), bytes, padding(bytes.length)];
  });
  const path = join(root, crypto.randomUUID());
  writeFileSync(path, pack(Buffer.concat([...parts, endOfArchive])));
  const archive = await openArchive(path);
  opened.push(archive);
  const source = await openDockerSource(archive, { warn() {} });
  return { source, manifest: () => source.manifest(source.only(), { signal }) };
}

const listed = (layers: string[], config = "config.json", tags = ["app:v1"]) =>
  JSON.stringify([{ Config: config, RepoTags: tags, Layers: layers }]);

test("layers are those that the configuration tells, or there is no manifest", async () => {
  const layer = text("a layer");
  const good = await open({
    "a.tar": layer,
    "config.json": configFor(sha256(layer)),
    "manifest.json": listed(["a.tar"]),
  });
  expect((await good.manifest())?.mediaType).toBe("application/vnd.oci.image.manifest.v1+json");
  const lying = await open({
    "a.tar": text("another"),
    "config.json": configFor(sha256(layer)),
    "manifest.json": listed(["a.tar"]),
  });
  await expect(lying.manifest()).rejects.toThrow("a.tar is not the layer sha256:");
  const short = await open({ "config.json": configFor(sha256(layer)), "manifest.json": listed([]) });
  await expect(short.manifest()).rejects.toThrow("0 layers for the 1 of the configuration");
});

test.each([
  [
    "a layer that is not there",
    { "config.json": configFor(sha256(text(""))), "manifest.json": listed(["a.tar"]) },
    "does not have a.tar",
  ],
  [
    "a layer outside of it",
    { "config.json": configFor(sha256(text(""))), "manifest.json": listed(["../../etc/passwd"]) },
    "does not have ../../etc/passwd",
  ],
  ["a configuration outside of it", { "manifest.json": listed([], "/etc/passwd") }, "does not have /etc/passwd"],
  [
    "a configuration by another name",
    { [`${"a".repeat(64)}.json`]: configFor(), "manifest.json": listed([], `${"a".repeat(64)}.json`) },
    "has another digest",
  ],
  ["a configuration that is none", { "config.json": "[]", "manifest.json": listed([]) }, "without rootfs.diff_ids"],
  [
    "a configuration with diff_ids that are none",
    { "config.json": configFor(1), "manifest.json": listed([]) },
    "without rootfs.diff_ids",
  ],
])("%s", async (_what, files, message) => {
  await expect((await open(files)).manifest()).rejects.toThrow(message);
});

test.each([
  ["no table", { a: "b" }, "it has no manifest.json"],
  ["a table that is none", { "manifest.json": "{}" }, "manifest.json must be a list of images"],
  ["a table with a key twice", { "manifest.json": '[{"Config":"a","Config":"b","Layers":[]}]' }, "appears twice"],
  ["images without layers", { "manifest.json": '[{"Config":"a"}]' }, "must have 'Config' and 'Layers'"],
])("an archive with %s is none", async (_what, files, message) => {
  await expect(open(files)).rejects.toThrow(message);
});

test("a layer that unpacks to far too much is given up", async () => {
  const zeros = new Uint8Array(32 * 1024 * 1024);
  const packed = Bun.gzipSync(zeros);
  const bomb = Bun.zstdCompressSync(zeros);
  const files = { "a.tar": packed, "config.json": configFor(sha256(zeros)), "manifest.json": listed(["a.tar"]) };
  expect(await (await open(files)).manifest()).toBeDefined();
  await expect((await open({ ...files, "a.tar": bomb })).manifest()).rejects.toThrow("a.tar unpacks to too much");
  const truncated = { ...files, "a.tar": packed.subarray(0, packed.length - 20) };
  await expect((await open(truncated)).manifest()).rejects.toThrow("a.tar cannot be unpacked");
});

test("a packed archive is unpacked where nobody else can read it, and that is removed", async () => {
  const files = { "config.json": configFor(), "manifest.json": listed([]) };
  const { source, manifest } = await open(files, (bytes) => Bun.gzipSync(bytes as Uint8Array<ArrayBuffer>));
  expect(await manifest()).toBeDefined();
  await source.close();
  await expect(open(files, (bytes) => Bun.gzipSync(bytes as Uint8Array<ArrayBuffer>).subarray(0, 40))).rejects.toThrow(
    "cannot be unpacked",
  );
});
