import { randomBytes } from "node:crypto";

/** What unique ids begin with (IAM user guide, "IAM identifiers"). */
const prefixes = { user: "AIDA", group: "AGPA", role: "AROA", policy: "ANPA" };

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** An id that nobody had before: 85 random bits need no look into the database. */
export function newUniqueId(kind: keyof typeof prefixes): string {
  return prefixes[kind] + textOf(randomBytes(17));
}

/** The same for bytes that are not random. */
export function uniqueIdOf(kind: keyof typeof prefixes, bytes: Uint8Array): string {
  return prefixes[kind] + textOf(bytes.subarray(0, 17));
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join("");
}
