import { expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openMetadata } from "./index.ts";

test("a URL names a SQLite file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "berth-url-"));
  for (const prefix of ["sqlite:", "sqlite://"]) {
    const metadata = await openMetadata(`${prefix}${folder}/of ${prefix.length}.sqlite`);
    await metadata.ping();
    await metadata.close();
  }
  expect((await readdir(folder)).sort()).toEqual(["of 7.sqlite", "of 9.sqlite"]);
  await rm(folder, { recursive: true });
});

test("a URL names a database in memory", async () => {
  const metadata = await openMetadata("sqlite::memory:");
  await metadata.ping();
  await metadata.close();
});

test.each(["mysql://berth:secret@localhost/berth", "secret", "Secret:secret@host", "sqlite:", ""])(
  "'%s' is refused without showing a password",
  async (url) => {
    const error = await openMetadata(url).catch((refused: Error) => refused);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toContain("sqlite:");
    expect((error as Error).message).not.toMatch(/secret/i);
  },
);
