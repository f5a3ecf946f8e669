import { constants } from "node:fs";
import { basename, dirname } from "node:path";
import type { Disk, DiskFile, DiskStat } from "./disk.ts";

/** Disks for tests: one that lets a test see and fail every call, and one that can lose its power. */

export interface DiskCall {
  readonly verb: Exclude<keyof Disk | keyof DiskFile, "uptime">;
  readonly path: string;
}

/** `around` sees every call and decides whether and when it runs. */
export function tapped(
  disk: Disk,
  around: <Result>(call: DiskCall, run: () => Promise<Result>) => Promise<Result>,
): Disk {
  const tap =
    <Args extends [string, ...unknown[]], Result>(verb: DiskCall["verb"], run: (...args: Args) => Promise<Result>) =>
    (...args: Args) =>
      around({ verb, path: args[0] }, () => run(...args));
  return {
    uptime: () => disk.uptime(),
    stat: tap("stat", disk.stat.bind(disk)),
    mkdir: tap("mkdir", disk.mkdir.bind(disk)),
    readdir: tap("readdir", disk.readdir.bind(disk)),
    rename: tap("rename", disk.rename.bind(disk)),
    unlink: tap("unlink", disk.unlink.bind(disk)),
    async open(path, flags, mode) {
      const file = await around({ verb: "open", path }, () => disk.open(path, flags, mode));
      const on =
        <Args extends unknown[], Result>(verb: keyof DiskFile, run: (...args: Args) => Promise<Result>) =>
        (...args: Args) =>
          around({ verb, path }, () => run(...args));
      return {
        read: on("read", file.read.bind(file)),
        write: on("write", file.write.bind(file)),
        truncate: on("truncate", file.truncate.bind(file)),
        stat: on("stat", file.stat.bind(file)),
        sync: on("sync", file.sync.bind(file)),
        datasync: on("datasync", file.datasync.bind(file)),
        close: on("close", file.close.bind(file)),
      };
    },
  };
}

/**
 * What survives: everything when only the process dies. When the power goes, what was synced, and perhaps also names and
 * lengths of files whose bytes were not.
 */
export type Survivors = "everything" | "names" | "synced";

interface FileNode {
  content: Buffer;
  synced: Buffer;
  mtimeMs: number;
  ctimeMs: number;
}
interface FolderNode {
  entries: Map<string, Node>;
  synced: Map<string, Node>;
}
type Node = FileNode | FolderNode;

/** A file system that knows what is only in its cache, and how much room there is. */
export class ModelDisk implements Disk {
  freeBytes = Number.POSITIVE_INFINITY;
  #root: FolderNode = { entries: new Map(), synced: new Map() };
  #uptimeSeconds = 3600;

  /** The disk that the next process finds. */
  after(survivors: Survivors): ModelDisk {
    if (survivors === "everything") return this;
    const next = new ModelDisk();
    next.#root = survivingFolder(this.#root, survivors);
    next.#uptimeSeconds = 0;
    return next;
  }

  content(path: string): Buffer {
    return this.#file(path).content;
  }

  uptime(): number {
    return this.#uptimeSeconds;
  }
  async open(path: string, flags: number): Promise<DiskFile> {
    const folder = this.#folder(dirname(path));
    if (!folder.entries.has(basename(path)) && flags & constants.O_CREAT) {
      const nowMs = Date.now();
      const empty = { content: Buffer.alloc(0), synced: Buffer.alloc(0), mtimeMs: nowMs, ctimeMs: nowMs };
      folder.entries.set(basename(path), empty);
    }
    const node = this.#node(path);
    if ("entries" in node) return openFolder(node);
    const file = this.#openFile(node);
    if (flags & constants.O_TRUNC) await file.truncate(0);
    return file;
  }
  async stat(path: string): Promise<DiskStat> {
    return statOf(this.#file(path));
  }
  async mkdir(path: string): Promise<void> {
    const { entries } = this.#folder(dirname(path));
    if (path === "/" || entries.has(basename(path))) throw failure("EEXIST");
    entries.set(basename(path), { entries: new Map(), synced: new Map() });
  }
  async readdir(path: string): Promise<string[]> {
    return [...this.#folder(path).entries.keys()];
  }
  async rename(from: string, to: string): Promise<void> {
    const file = this.#file(from);
    file.ctimeMs = Date.now();
    this.#folder(dirname(to)).entries.set(basename(to), file);
    this.#folder(dirname(from)).entries.delete(basename(from));
  }
  async unlink(path: string): Promise<void> {
    this.#file(path);
    this.#folder(dirname(path)).entries.delete(basename(path));
  }

  #openFile(node: FileNode): DiskFile {
    const resize = (sizeBytes: number) => {
      this.freeBytes -= sizeBytes - node.content.length;
      const resized = Buffer.alloc(sizeBytes);
      node.content.copy(resized);
      node.content = resized;
    };
    const sync = async () => {
      node.synced = Buffer.from(node.content);
    };
    return {
      async read(buffer, offset, length, position) {
        if (position >= node.content.length) return { bytesRead: 0 };
        return { bytesRead: node.content.copy(buffer, offset, position, position + length) };
      },
      write: async (buffer, offset, length, position) => {
        const bytesWritten = Math.min(length, node.content.length + this.freeBytes - position);
        if (bytesWritten <= 0) throw failure("ENOSPC");
        if (position + bytesWritten > node.content.length) resize(position + bytesWritten);
        node.content.set(buffer.subarray(offset, offset + bytesWritten), position);
        node.mtimeMs = Date.now();
        node.ctimeMs = node.mtimeMs;
        return { bytesWritten };
      },
      async truncate(sizeBytes) {
        resize(sizeBytes);
      },
      async stat() {
        return statOf(node);
      },
      sync,
      datasync: sync,
      async close() {},
    };
  }

  #node(path: string): Node {
    let node: Node = this.#root;
    for (const name of path.split("/").filter(Boolean)) {
      const next: Node | undefined = "entries" in node ? node.entries.get(name) : undefined;
      if (!next) throw failure("ENOENT");
      node = next;
    }
    return node;
  }
  #folder(path: string): FolderNode {
    const node = this.#node(path);
    if (!("entries" in node)) throw failure("ENOTDIR");
    return node;
  }
  #file(path: string): FileNode {
    const node = this.#node(path);
    if ("entries" in node) throw failure("EISDIR");
    return node;
  }
}

export function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function survivingFolder(folder: FolderNode, survivors: Survivors): FolderNode {
  const entries = new Map<string, Node>();
  for (const [name, node] of survivors === "names" ? folder.entries : folder.synced) {
    entries.set(name, "entries" in node ? survivingFolder(node, survivors) : survivingFile(node, survivors));
  }
  return { entries, synced: new Map(entries) };
}

/** A length can reach the disk before the bytes that it counts. */
function survivingFile({ content, synced, ...times }: FileNode, survivors: Survivors): FileNode {
  const survived = Buffer.alloc(survivors === "names" ? content.length : synced.length);
  synced.copy(survived);
  return { content: survived, synced: Buffer.from(survived), ...times };
}

function statOf({ content, mtimeMs, ctimeMs }: FileNode): DiskStat {
  return { size: content.length, mtimeMs, ctimeMs, isFile: () => true };
}

function openFolder(folder: FolderNode): DiskFile {
  const refuse = async () => {
    throw failure("EISDIR");
  };
  return {
    read: refuse,
    write: refuse,
    truncate: refuse,
    stat: refuse,
    async sync() {
      folder.synced = new Map(folder.entries);
    },
    datasync: refuse,
    async close() {},
  };
}
