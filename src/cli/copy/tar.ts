import type { FileHandle } from "node:fs/promises";
import { CopyFailed } from "./problems.ts";

/**
 * Reading the table of a tar archive (POSIX.1-2017, "pax Interchange Format"; GNU's long names), without its content:
 * where each file lies, so that it can be read in place. Nothing is ever extracted under a name of the archive's.
 */
export interface TarFile {
  readonly offset: number;
  readonly sizeBytes: number;
}

export const blockBytes = 512;
const maxEntries = 200_000;
const maxPathLength = 4096;
/** Of an extended header: a few names and times. */
const maxExtensionBytes = 64 * 1024;

export interface TarTable {
  readonly files: ReadonlyMap<string, TarFile>;
  /** Where the next entry would be put: behind the last that is whole. */
  readonly end: number;
}

/**
 * @param lenient stops at what is no entry, as in a file that somebody had not finished
 * @throws CopyFailed for what no archive of images has, or what means different things to different readers
 */
export async function readTable(
  file: FileHandle,
  sizeBytes: number,
  name: string,
  { lenient = false }: { lenient?: boolean } = {},
): Promise<TarTable> {
  const files = new Map<string, TarFile>();
  const links = new Map<string, string>();
  let extended: Extension = {};
  let at = 0;
  let whole = 0;
  for (let entries = 0; at + blockBytes <= sizeBytes; entries++) {
    if (entries === maxEntries) throw broken(name, `more than ${maxEntries} entries`);
    const block = await readBlock(file, at, blockBytes);
    if (block.every((byte) => byte === 0)) break;
    const header = headerIn(block);
    if (!header) {
      if (lenient) break;
      throw broken(name, entries === 0 ? "no tar archive" : `no entry at byte ${at}`);
    }
    const size = extended.size ?? header.size;
    const offset = at + blockBytes;
    if (offset + size > sizeBytes) {
      if (lenient) break;
      throw broken(name, "its end is missing");
    }
    at = offset + Math.ceil(size / blockBytes) * blockBytes;
    if (extensionTypes.has(header.type)) {
      if (size > maxExtensionBytes) throw broken(name, `an extended header of ${size} bytes`);
      extended = { ...extended, ...readExtension(header.type, await readBlock(file, offset, size)) };
      continue;
    }
    const path = normalized(extended.path ?? header.path, name);
    const target = extended.linkPath ?? header.linkPath;
    extended = {};
    whole = at;
    if (header.type === "5") continue;
    if (files.has(path) || links.has(path)) throw broken(name, `"${shown(path)}" is in it twice`);
    if (header.type === "0" || header.type === "7") files.set(path, { offset, sizeBytes: size });
    else if (header.type === "1") links.set(path, normalized(target, name));
    else if (header.type === "2") links.set(path, linkedFrom(path, target, name));
    else throw broken(name, `"${shown(path)}" is neither a file nor a folder`);
  }
  // One step and no further: `docker save` links layers that images share, and nobody links links.
  for (const [path, target] of links) {
    const meant = files.get(target);
    if (meant) files.set(path, meant);
  }
  return { files, end: whole };
}

interface Header {
  readonly path: string;
  readonly linkPath: string;
  readonly size: number;
  readonly type: string;
}

interface Extension {
  readonly path?: string;
  readonly linkPath?: string;
  readonly size?: number;
}

/** Of the next entry (x, L, K) or of all (g), which nobody needs. */
const extensionTypes = new Set(["x", "g", "L", "K"]);

function headerIn(block: Uint8Array): Header | undefined {
  const sum = numberIn(block.subarray(148, 156));
  const size = numberIn(block.subarray(124, 136));
  if (sum === undefined || size === undefined || sum !== checksum(block)) return undefined;
  const prefix =
    textIn(block.subarray(257, 262)) === "ustar" && block[263] === 0x30 ? textIn(block.subarray(345, 500)) : "";
  const name = textIn(block.subarray(0, 100));
  const type = block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0);
  return { path: prefix === "" ? name : `${prefix}/${name}`, linkPath: textIn(block.subarray(157, 257)), size, type };
}

/** Of all bytes, with the field of the sum itself as spaces. */
export function checksum(block: Uint8Array): number {
  return block.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0);
}

/** Octal digits, or the binary form for what they cannot say. */
function numberIn(field: Uint8Array): number | undefined {
  if (((field[0] ?? 0) & 0x80) !== 0) {
    let value = (field[0] ?? 0) & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const text = textIn(field).trim();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || "0", 8) : undefined;
}

function textIn(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function readExtension(type: string, bytes: Uint8Array): Extension {
  if (type === "L") return { path: textIn(bytes) };
  if (type === "K") return { linkPath: textIn(bytes) };
  if (type === "g") return {};
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(new TextDecoder().decode(bytes.subarray(at, Math.max(at, space))));
    if (!Number.isSafeInteger(length) || length < 3 || at + length > bytes.length) break;
    const record = new TextDecoder().decode(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  const size = records.get("size");
  return {
    ...(records.has("path") ? { path: records.get("path") } : {}),
    ...(records.has("linkpath") ? { linkPath: records.get("linkpath") } : {}),
    ...(size !== undefined && /^\d{1,15}$/.test(size) ? { size: Number(size) } : {}),
  };
}

/** Only ever a key to look up; what leaves the archive is refused all the same, because somebody meant harm by it. */
function normalized(path: string, name: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (path.startsWith("/") || path.includes("\0") || path.length > maxPathLength || parts.includes("..")) {
    throw broken(name, `the name "${shown(path)}"`);
  }
  return parts.join("/");
}

function linkedFrom(path: string, target: string, name: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw broken(name, `"${shown(path)}" links out of it`);
  }
  return normalized(target.startsWith("/") ? target : parts.join("/"), name);
}

async function readBlock(file: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const block = new Uint8Array(length);
  for (let read = 0; read < length; ) {
    const { bytesRead } = await file.read(block, read, length - read, at + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return block;
}

const shown = (path: string) => (path.length > 128 ? `${path.slice(0, 128)}…` : path);

function broken(name: string, what: string): CopyFailed {
  return new CopyFailed(`${name} cannot be used: ${what}`);
}
