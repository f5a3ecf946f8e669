import { randomBytes } from "node:crypto";
import { randomText, upperBase32 } from "./random.ts";

/** As AWS makes them (IAM user guide, "Unique identifiers" and "Access keys"). */

const prefixes = { user: "AIDA", group: "AGPA", role: "AROA", policy: "ANPA" } as const;

/** 21 characters, never given twice. */
export function newUniqueId(kind: keyof typeof prefixes): string {
  return prefixes[kind] + randomText(upperBase32, 17);
}

/** 20 characters; `ASIA` for those that need a session token. */
export function newAccessKeyId(prefix: "AKIA" | "ASIA" = "AKIA"): string {
  return prefix + randomText(upperBase32, 16);
}

/** 40 characters: 240 random bits. */
export function newSecret(): string {
  return randomBytes(30).toString("base64");
}
