import { blockBytes, checksum } from "./tar.ts";

/** The form of the fields of a header has room for so much (POSIX.1-2017, "ustar Interchange Format"). */
const longestName = 100;
const largestSize = 0o77777777777;

/**
 * What stands before the content of a file. Times and owners are always the same, so that one content makes one archive.
 * A name or size that has no room in a header has an extended one before it.
 */
export function headerFor(path: string, sizeBytes: number): Uint8Array {
  const records: string[] = [];
  if (path.length > longestName) records.push(record("path", path));
  if (sizeBytes > largestSize) records.push(record("size", String(sizeBytes)));
  const name = path.slice(0, longestName);
  const main = block({ name, type: "0", sizeBytes: Math.min(sizeBytes, largestSize) });
  if (records.length === 0) return main;
  const data = new TextEncoder().encode(records.join(""));
  return Buffer.concat([block({ name: "pax", type: "x", sizeBytes: data.length }), data, padding(data.length), main]);
}

/** From the end of a content to the next header. */
export function padding(sizeBytes: number): Uint8Array {
  return new Uint8Array((blockBytes - (sizeBytes % blockBytes)) % blockBytes);
}

export const endOfArchive = new Uint8Array(2 * blockBytes);

function block({ name, type, sizeBytes }: { name: string; type: string; sizeBytes: number }): Uint8Array {
  const bytes = new Uint8Array(blockBytes);
  const put = (text: string, at: number) => bytes.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(name, 0);
  put(`${octal(0o644, 7)}\0`, 100);
  put(`${octal(0, 7)}\0`, 108);
  put(`${octal(0, 7)}\0`, 116);
  put(`${octal(sizeBytes, 11)}\0`, 124);
  put(`${octal(0, 11)}\0`, 136);
  put(type, 156);
  put("ustar\u000000", 257);
  put(`${octal(checksum(bytes), 6)}\0 `, 148);
  return bytes;
}

/** A record tells its own length, with the digits of that. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const length = Buffer.byteLength(rest);
  let total = length + String(length).length;
  if (String(total).length > String(length).length) total = length + String(total).length;
  return `${total}${rest}`;
}
