import { constants, type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Bytes } from "../../domain/registry/ports.ts";
import { CopyFailed } from "./problems.ts";

/** Named files that can be read from any offset: a folder, or an archive that is left as it is. */
export interface Files {
  readonly name: string;
  /** `undefined` when there is none. Names come from digests and constants, never from a document. */
  stat(path: string): Promise<{ readonly sizeBytes: number } | undefined>;
  read(path: string, offset: number): Promise<{ readonly sizeBytes: number; readonly bytes: Bytes } | undefined>;
  close(): Promise<void>;
}

const chunkBytes = 256 * 1024;

/**
 * Links are followed, because build tools make layouts of them: what they lead to is verified as anything else. Whatever
 * is no file is not there, and opening it does not wait for anybody.
 */
export function filesIn(folder: string): Files {
  async function openFile(path: string): Promise<{ file: FileHandle; sizeBytes: number } | undefined> {
    const file = await openIfThere(join(folder, path));
    if (!file) return undefined;
    const facts = await file.stat();
    if (facts.isFile()) return { file, sizeBytes: facts.size };
    await file.close();
    return undefined;
  }

  async function stat(path: string): Promise<{ sizeBytes: number } | undefined> {
    const opened = await openFile(path);
    await opened?.file.close();
    return opened && { sizeBytes: opened.sizeBytes };
  }

  /** Opens it when somebody reads, who also closes it. */
  async function* bytesFrom(path: string, offset: number): Bytes {
    const opened = await openFile(path);
    if (!opened) throw new CopyFailed(`${join(folder, path)} is gone`, "missing");
    try {
      yield* chunksOf(opened.file, offset, opened.sizeBytes);
    } finally {
      await opened.file.close();
    }
  }

  return {
    name: folder,
    stat,
    async read(path, offset) {
      const facts = await stat(path);
      return facts && { ...facts, bytes: bytesFrom(path, offset) };
    },
    async close() {},
  };
}

export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENXIO") return undefined;
    throw new CopyFailed(`${path} cannot be read (${code})`);
  }
}

/** From an offset of a file up to another. */
export async function* chunksOf(file: FileHandle, from: number, end: number): Bytes {
  for (let at = from; at < end; ) {
    const buffer = new Uint8Array(Math.min(chunkBytes, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
