import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { chunksOf, type Files, openIfThere } from "./files.ts";
import { CopyFailed } from "./problems.ts";
import { readTable } from "./tar.ts";
import { writeAll } from "./whole-files.ts";

/** The files of a tar archive, read where they lie. */
export interface Archive extends Files {
  paths(): Iterable<string>;
}

/** Tar archives of images are mostly packed already: what unpacks to more than this is no image. */
const maxRatio = 100;
const leastLimitBytes = 1024 ** 3;

/** @throws CopyFailed for what is no archive of images */
export async function openArchive(path: string): Promise<Archive> {
  const given = await openIfThere(path);
  if (!given) throw new CopyFailed(`there is no archive ${path}`, "missing");
  const undo: (() => Promise<unknown>)[] = [() => given.close()];
  const close = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const facts = await given.stat();
    if (!facts.isFile()) throw new CopyFailed(`${path} is no file`);
    const format = await compressionOf(given);
    const file = format ? await unpacked(given, { path, format, sizeBytes: facts.size }, undo) : given;
    const { files } = await readTable(file, (await file.stat()).size, path);
    return {
      name: path,
      paths: () => files.keys(),
      async stat(name) {
        const found = files.get(name);
        return found && { sizeBytes: found.sizeBytes };
      },
      async read(name, offset) {
        const found = files.get(name);
        if (!found) return undefined;
        const end = found.offset + found.sizeBytes;
        return { sizeBytes: found.sizeBytes, bytes: chunksOf(file, found.offset + offset, end) };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Format = "gzip" | "zstd";

/** What bytes are packed with, by how they begin (RFC 1952, RFC 8878). */
export function packingOf(head: Uint8Array): Format | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  const isZstd = head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd;
  return isZstd ? "zstd" : undefined;
}

async function compressionOf(file: FileHandle): Promise<Format | undefined> {
  const head = new Uint8Array(4);
  await file.read(head, 0, head.length, 0);
  return packingOf(head);
}

/** A packed archive cannot be read from the middle, so it is unpacked into a file that nobody else can open. */
async function unpacked(
  packed: FileHandle,
  { path, format, sizeBytes }: { path: string; format: Format; sizeBytes: number },
  undo: (() => Promise<unknown>)[],
): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), "berth-copy-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const file = await open(join(folder, "archive"), "wx+", 0o600);
  undo.push(() => file.close());
  const limitBytes = Math.max(leastLimitBytes, maxRatio * sizeBytes);
  let written = 0;
  try {
    const unpack = format === "gzip" ? createGunzip() : createZstdDecompress();
    await pipeline(Readable.from(chunksOf(packed, 0, sizeBytes)), unpack, async (chunks: AsyncIterable<Uint8Array>) => {
      for await (const chunk of chunks) {
        if (written + chunk.length > limitBytes)
          throw new CopyFailed(`${path} unpacks to more than ${limitBytes} bytes`);
        await writeAll(file, chunk, written);
        written += chunk.length;
      }
    });
  } catch (error) {
    throw error instanceof CopyFailed
      ? error
      : new CopyFailed(`${path} cannot be unpacked: ${(error as Error).message}`);
  }
  return file;
}
