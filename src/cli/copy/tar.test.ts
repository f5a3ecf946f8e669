import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checksum, readTable } from "./tar.ts";
import { endOfArchive, headerFor, padding } from "./tar-writing.ts";

const root = mkdtempSync(join(tmpdir(), "berth-tar-"));
afterAll(() => rmSync(root, { recursive: true }));

async function table(bytes: Uint8Array, options?: { lenient: boolean }) {
  const path = join(root, crypto.randomUUID());
  writeFileSync(path, bytes);
  const file = await open(path, "r");
  try {
    return await readTable(file, bytes.length, "the archive", options);
  } finally {
    await file.close();
  }
}

const text = (value: string) => new TextEncoder().encode(value);
const entry = (path: string, content: string, change?: (header: Uint8Array) => void) => {
  const header = Uint8Array.from(headerFor(path, content.length));
  change?.(header);
  header.set(text("        "), 148);
  header.set(text(`${checksum(header).toString(8).padStart(6, "0")}\0 `), 148);
  return Buffer.concat([header, text(content), padding(content.length)]);
};
const typed =
  (type: string, link = "") =>
  (header: Uint8Array) => {
    header.set(text(type), 156);
    header.set(text(link), 157);
  };
const archive = (...entries: Uint8Array[]) => Buffer.concat([...entries, endOfArchive]);

test("what was written is found where it lies, under long names and with sizes that have no room", async () => {
  const long = `blobs/sha512/${"a".repeat(128)}`;
  const bytes = Buffer.concat([
    ...[headerFor("short", 3), text("abc"), padding(3)],
    ...[headerFor(long, 5), text("defgh"), padding(5)],
    endOfArchive,
  ]);
  const { files } = await table(bytes);
  expect([...files.keys()]).toEqual(["short", long]);
  const { offset = 0, sizeBytes = 0 } = files.get(long) ?? {};
  expect(bytes.subarray(offset, offset + sizeBytes).toString()).toBe("defgh");
  const huge = headerFor("huge", 10 * 1024 ** 3);
  expect(new TextDecoder().decode(huge)).toContain("20 size=10737418240\n");
});

test("tar itself reads what was written", async () => {
  const long = `blobs/sha512/${"b".repeat(128)}`;
  const path = join(root, "written.tar");
  writeFileSync(path, Buffer.concat([headerFor(long, 600), Buffer.alloc(600, "x"), padding(600), endOfArchive]));
  const listed = Bun.spawnSync(["tar", "-tf", path]);
  expect([listed.exitCode, listed.stdout.toString()]).toEqual([0, `${long}\n`]);
});

test("what tar itself wrote is read: folders, links in both ways, GNU's and pax's long names", async () => {
  const folder = mkdtempSync(join(root, "files-"));
  const long = "n".repeat(180);
  Bun.spawnSync(
    [
      "sh",
      "-c",
      `mkdir a b && echo one > a/layer.tar && ln -s ../a/layer.tar b/layer.tar && ln a/layer.tar hard && echo two > ${long}`,
    ],
    { cwd: folder },
  );
  for (const format of ["gnu", "pax", "ustar"]) {
    const names = format === "ustar" ? ["a", "b", "hard"] : ["a", "b", "hard", long];
    const made = Bun.spawnSync(["tar", `--format=${format}`, "-cf", "-", ...names], { cwd: folder });
    const { files } = await table(made.stdout);
    expect(files.get("b/layer.tar")).toEqual(files.get("a/layer.tar"));
    expect(files.get("hard")).toEqual(files.get("a/layer.tar"));
    expect(files.has(long)).toBe(format !== "ustar");
  }
});

test.each([
  ["a path out of it", entry("../etc/passwd", "x"), 'the name "../etc/passwd"'],
  ["a path out of it, further in", entry("a/../../b", "x"), "the name"],
  ["an absolute path", entry("/etc/passwd", "x"), "the name"],
  ["a link out of it", entry("a", "", typed("2", "../../etc/passwd")), '"a" links out of it'],
  ["an absolute link", entry("a", "", typed("2", "/etc/passwd")), "the name"],
  ["a device", entry("dev", "", typed("3")), "neither a file nor a folder"],
  ["a pipe", entry("fifo", "", typed("6")), "neither a file nor a folder"],
  ["a file twice", Buffer.concat([entry("index.json", "1"), entry("./index.json", "2")]), "is in it twice"],
  [
    "a link in the place of a file",
    Buffer.concat([entry("a", "1"), entry("a", "", typed("2", "b"))]),
    "is in it twice",
  ],
  [
    "an extended header without end",
    entry("pax", "x".repeat(100_000), typed("x")),
    "an extended header of 100000 bytes",
  ],
  ["no archive", Buffer.alloc(1024, "x"), "no tar archive"],
])("refuses %s", async (_what, bytes, message) => {
  expect(table(archive(bytes))).rejects.toThrow(message);
});

test("an end that is missing is told, unless somebody was still writing", async () => {
  const whole = Buffer.concat([entry("one", "1"), entry("two", "x".repeat(2000))]);
  const cut = whole.subarray(0, whole.length - 1024);
  expect(table(cut)).rejects.toThrow("its end is missing");
  const { files, end } = await table(cut, { lenient: true });
  expect([...files.keys(), end]).toEqual(["one", 1024]);
});

test("a size beyond the file, in the header or the extended one, is no size", async () => {
  expect(table(archive(entry("a", "x", (header) => header.set(text("77777777777\0"), 124))))).rejects.toThrow(
    "its end is missing",
  );
  const record = "20 size=99999999999\n";
  expect(table(archive(entry("pax", record, typed("x")), entry("a", "x")))).rejects.toThrow("its end is missing");
});

test("links of links and links to nothing lead nowhere", async () => {
  const { files } = await table(
    archive(entry("a", "", typed("2", "b")), entry("b", "", typed("2", "a")), entry("c", "", typed("2", "none"))),
  );
  expect(files.size).toBe(0);
});
