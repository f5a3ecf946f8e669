import { randomBytes } from "node:crypto";

/** As AWS makes them (IAM user guide, "Unique identifiers" and "Access keys"). */

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const prefixes = { user: "AIDA", group: "AGPA", role: "AROA", policy: "ANPA" } as const;

/** 21 characters, never given twice. */
export function newUniqueId(kind: keyof typeof prefixes): string {
  return prefixes[kind] + randomText(17);
}

/** 20 characters. */
export function newAccessKeyId(): string {
  return `AKIA${randomText(16)}`;
}

/** 40 characters: 240 random bits. */
export function newSecret(): string {
  return randomBytes(30).toString("base64");
}

/** 256 is a multiple of 32, so every character is as likely as another. */
function randomText(length: number): string {
  return Array.from(randomBytes(length), (byte) => base32[byte % base32.length]).join("");
}
