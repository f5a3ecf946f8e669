import { afterAll, beforeEach, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manifestDigest } from "../../domain/registry/manifests.ts";
import { openArchiveDestination } from "./archive-destination.ts";
import { writeBlob } from "./whole-files.ts";

/** Unfinished files of an earlier run, in folders that others can write into. */

const root = mkdtempSync(join(tmpdir(), "berth-whole-"));
let folder: string;
let other: string;
let count = 0;

beforeEach(() => {
  folder = join(root, String(count++));
  mkdirSync(folder);
  other = join(folder, "somebody-elses");
  writeFileSync(other, "keep this");
});
afterAll(() => rmSync(root, { recursive: true }));

const content = new TextEncoder().encode("what comes");
const blob = { digest: manifestDigest(content), sizeBytes: content.length };
const open = async function* (offset: number) {
  yield content.subarray(offset);
};

test.each([
  ["a symbolic link", symlinkSync],
  ["another name of a file", linkSync],
])("%s is not written to", async (_what, link) => {
  const partial = join(folder, "blob.partial");
  link(other, partial);
  await expect(writeBlob({ path: join(folder, "blob"), partial }, blob, open, () => {})).rejects.toThrow(
    `${partial} cannot be used`,
  );
  const archive = join(folder, "images.tar");
  link(other, `${archive}.berth-partial`);
  await expect(openArchiveDestination(archive, { format: "oci", fullName: () => undefined })).rejects.toThrow(
    "cannot be used",
  );
  expect(readFileSync(other, "utf8")).toBe("keep this");
});

test("a file that an earlier run left is gone on with", async () => {
  const partial = join(folder, "blob.partial");
  writeFileSync(partial, content.subarray(0, 4));
  const offsets: number[] = [];
  const asked = (offset: number) => {
    offsets.push(offset);
    return open(offset);
  };
  await writeBlob({ path: join(folder, "blob"), partial }, blob, asked, () => {});
  expect(offsets).toEqual([4]);
  expect(readFileSync(join(folder, "blob"), "utf8")).toBe("what comes");
});
