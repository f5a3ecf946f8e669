/** The texts that settings are written as, and what is made of them; `undefined` for what a setting may not be. */

import { isIP, isIPv6 } from "node:net";
import { resolve } from "node:path";
import { z } from "zod";
import { parseRegion, type Region } from "./domain/names.ts";

export interface ListenAddress {
  /** An IPv6 address is written without brackets. */
  host: string;
  /** 0 takes any free port. */
  port: number;
}

export const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds. */
export function duration(leastMs: number, mostMs = 365 * unitsMs.d) {
  return (given: string): number | undefined => {
    // Nothing is nothing in any unit.
    const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(given === "0" ? "0s" : given) ?? [];
    const ms = Number(count) * (unitsMs[unit as keyof typeof unitsMs] ?? Number.NaN);
    return ms >= leastMs && ms <= mostMs ? ms : undefined;
  };
}

/** As `duration`, and 0 for what is not done at all. */
export function durationOrNever(leastMs: number) {
  const some = duration(leastMs);
  return (given: string): number | undefined => (given === "0" ? 0 : some(given));
}

export interface ConfiguredRates {
  /** Whether ECR's quotas hold for the operations that are not in `own`. */
  profile: "none" | "ecr";
  own: { operation: string; perSecond: number; burst: number }[];
}

/** Ends a parser with a message of its own. */
class Refused {
  constructor(readonly message: string) {}
}

export function text<T>(allowed: string, parse: (given: string) => T | Refused | undefined) {
  return z.string({ error: allowed }).transform((given, context) => {
    const value = parse(given);
    if (value instanceof Refused) context.addIssue({ code: "custom", message: value.message });
    else if (value !== undefined) return value;
    else context.addIssue({ code: "custom", message: allowed });
    return z.NEVER;
  });
}

export function oneOf<const T extends string>(preset: T, choices: readonly T[]) {
  const allowed = `one of ${choices.join(", ")}`;
  return text(allowed, (given) => choices.find((choice) => choice === given))
    .prefault(preset as string)
    .describe(allowed);
}

/** A list, or in a variable its items with commas between them. */
export function list<T>(allowed: string, parse: (given: string) => T | undefined) {
  const split = (given: unknown) => (typeof given === "string" ? given.split(",").map((item) => item.trim()) : given);
  return z.preprocess(split, z.array(text(allowed, parse), { error: allowed }).min(1, { error: allowed }));
}

export function hostAndPort(given: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)):(\d{1,5})$/.exec(given);
  const [, ipv6, name, portText] = match ?? [];
  const host = ipv6 ?? name;
  const port = Number(portText);
  if (host === undefined || port > 65_535 || (ipv6 !== undefined && !isIPv6(ipv6))) return undefined;
  return { host, port };
}

export function path(cwd: string) {
  return (given: string) => (given === "" || given.includes("\0") ? undefined : resolve(cwd, given));
}

export function publicUrl(given: string): string | undefined {
  const origin = given.replace(/\/$/, "");
  const [, host = ""] = /^https?:\/\/([^/?#@\\\s]+)$/.exec(origin) ?? [];
  // The data plane finds account and region in a host of AWS's form only (registryOfHost), so no other can be offered.
  const plain = host.replace(/^\{account\}\.dkr[.-]ecr\.\{region\}\./, "000000000000.dkr.ecr.us-east-1.");
  if (host === "" || /[{}%]/.test(plain) || !URL.canParse(`http://${plain}`)) return undefined;
  return origin;
}

export function credential(given: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a key with one could not be written to an AWS file
  return given.trim() === "" || /[\u0000-\u001f\u007f]/.test(given) ? undefined : given;
}

export function masterKeys(given: string): string | undefined {
  const isKey = (text: string) => {
    const bytes = Buffer.from(text, "base64");
    return bytes.length === 32 && bytes.toString("base64") === text;
  };
  return given.split(",").every(isKey) ? given : undefined;
}

export function databaseUrl(cwd: string) {
  return (given: string): string | undefined => {
    const [, sqlite] = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(given) ?? [];
    if (sqlite !== undefined) return `sqlite:${resolve(cwd, sqlite)}`;
    return /^postgres(?:ql)?:\/\/./.test(given) && URL.canParse(given) ? given : undefined;
  };
}

export function blobsUrl(cwd: string) {
  return (given: string) => {
    const [, directory] = /^file:(?:\/\/(?=\/))?(.+)$/.exec(given) ?? [];
    if (directory !== undefined) return { kind: "file" as const, root: resolve(cwd, directory) };
    return given.startsWith("s3:") ? new Refused("file:PATH; this version does not keep blobs in S3 yet") : undefined;
  };
}

export function rates(given: string): ConfiguredRates | undefined {
  const items = given.split(",").map((item) => item.trim());
  if (items.length === 1 && items[0] === "off") return { profile: "none", own: [] };
  const profile = items[0] === "ecr" ? "ecr" : "none";
  const own: ConfiguredRates["own"] = [];
  for (const item of profile === "ecr" ? items.slice(1) : items) {
    const [, operation, ...numbers] = /^(\*|[A-Z][A-Za-z]*)=(\d{1,6}(?:\.\d{1,3})?)(?:\/(\d{1,6}))?$/.exec(item) ?? [];
    const perSecond = Number(numbers[0]);
    // Less than one call at once would be none, for ever.
    const burst = numbers[1] === undefined ? Math.max(1, perSecond) : Number(numbers[1]);
    const isKnown = own.some((other) => other.operation === operation);
    if (operation === undefined || isKnown || perSecond === 0 || burst < 1) return undefined;
    own.push({ operation, perSecond, burst });
  }
  return { profile, own };
}

/** A region that another server keeps. */
export interface ConfiguredPeer {
  region: Region;
  origin: string;
}

export function peer(given: string): ConfiguredPeer | undefined {
  const [, regionText = "", origin = ""] = /^([a-z0-9-]{1,40})=(https?:\/\/[^/?#@\\\s]{1,255})\/?$/.exec(given) ?? [];
  const region = parseRegion(regionText);
  return region && URL.canParse(origin) ? { region, origin: new URL(origin).origin } : undefined;
}

export function network(given: string): string | undefined {
  const [address = "", bits, ...rest] = given.split("/");
  const family = isIP(address);
  if (family === 0 || address.includes("%") || rest.length > 0) return undefined;
  if (bits === undefined) return given;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128) ? given : undefined;
}

export function boolean(given: string): boolean | undefined {
  return given === "true" ? true : given === "false" ? false : undefined;
}

export function wholeNumber(from: number, to: number) {
  return (given: string) => {
    const value = Number(given);
    return /^\d{1,15}$/.test(given) && value >= from && value <= to ? value : undefined;
  };
}
