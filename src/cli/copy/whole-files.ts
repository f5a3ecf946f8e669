import { constants, type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Bytes } from "../../domain/registry/ports.ts";
import { createVerifier } from "./content.ts";
import { chunksOf } from "./files.ts";
import type { BlobFacts } from "./places.ts";
import { CopyFailed } from "./problems.ts";

/** Files of a folder that are there whole or not at all, whatever ends this process. */

/** @param partial where the bytes are until they are whole; what an earlier run left there is gone on with */
export async function writeBlob(
  { path, partial }: { path: string; partial: string },
  blob: BlobFacts,
  open: (offset: number) => Bytes,
  sent: (bytes: number) => void,
): Promise<void> {
  await mkdir(dirname(partial), { recursive: true });
  await mkdir(dirname(path), { recursive: true });
  const file = await openPartial(partial);
  try {
    await fill(file, 0, blob, open, sent);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
  await syncFolder(dirname(path));
}

/**
 * Writes a blob into a file that may have the first part of it, and verifies all of it. What is found not to be the
 * blob's is taken out again, so that the next attempt begins anew.
 * @param at where in the file the blob begins
 */
export async function fill(
  file: FileHandle,
  at: number,
  blob: BlobFacts,
  open: (offset: number) => Bytes,
  sent: (bytes: number) => void,
): Promise<void> {
  const there = Math.max(0, Math.min((await file.stat()).size - at, blob.sizeBytes));
  let written = 0;
  try {
    const bytes = there === 0 ? open(0) : completed(chunksOf(file, at, at + there), there, blob.sizeBytes, open);
    written = await drained(createVerifier(blob).pass(bytes, 0), there, file, at, sent);
  } catch (error) {
    if (isBroken(error)) await file.truncate(at);
    throw error;
  }
  await file.truncate(at + written);
}

const isBroken = (error: unknown) => (error as { why?: string }).why === "broken";

async function* completed(there: Bytes, count: number, sizeBytes: number, open: (offset: number) => Bytes): Bytes {
  yield* there;
  if (count < sizeBytes) yield* open(count);
}

/** @param already how many bytes at the beginning need not be written */
async function drained(
  bytes: Bytes,
  already: number,
  file: FileHandle,
  at: number,
  sent: (bytes: number) => void,
): Promise<number> {
  let position = 0;
  for await (const chunk of bytes) {
    if (position >= already) {
      await writeAll(file, chunk, at + position);
      sent(chunk.length);
    }
    position += chunk.length;
  }
  return position;
}

export async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
  }
}

async function openPartial(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return openLeftover(path);
  }
}

/**
 * What an earlier run left unfinished. In a folder that others can write into, its name may be a link to something that they
 * want overwritten: only a file of one name is gone on with.
 * @throws CopyFailed
 */
export async function openLeftover(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CopyFailed(`${path} cannot be used (${code})`, code === "ENOENT" ? "missing" : "unusable");
  }
  const facts = await file.stat();
  if (facts.isFile() && facts.nlink === 1) return file;
  await file.close();
  throw new CopyFailed(`${path} cannot be used: it is no file of its own; remove it`);
}

/** A small file, in the place of one that is there. */
export async function writeWhole(path: string, content: string | Uint8Array, mode = 0o666): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${crypto.randomUUID()}`);
  const file = await open(temporary, "wx", mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
