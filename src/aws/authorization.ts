import { CallRefused } from "./errors.ts";
import type { Pairs } from "./urlencoded.ts";

/** What a request says of its signature, in either form, before anything of it is believed. */
export interface Authorization {
  readonly form: "header" | "query";
  readonly accessKeyId: string;
  readonly scope: Scope;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `X-Amz-Date` in the basic format, and what it means. */
  readonly timestamp: string;
  readonly signedAt: Date;
  readonly sessionToken?: string;
  /** `X-Amz-Expires` of a presigned request. */
  readonly expiresSeconds?: number;
}

export interface Scope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly terminator: string;
}

export const algorithm = "AWS4-HMAC-SHA256";
const maxExpiresSeconds = 7 * 24 * 3600;
const queryMembers = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"];

/**
 * @returns undefined for a request that carries no AWS signature
 * @throws CallRefused("IncompleteSignature") naming what is missing or malformed
 */
export function readAuthorization(headers: Headers, query: Pairs): Authorization | undefined {
  const header = headers.get("authorization");
  const inHeader = header !== null && /^AWS4-/.test(header);
  const inQuery = query.some(([name]) => queryMembers.includes(name) && name !== "X-Amz-Date");
  if (inHeader && inQuery) {
    throw incomplete("The request is signed both by an Authorization header and by query-string parameters. Use one.");
  }
  if (inHeader) return fromHeader(header, headers);
  return inQuery ? fromQuery(query) : undefined;
}

function fromHeader(header: string, headers: Headers): Authorization {
  const space = header.indexOf(" ");
  checkAlgorithm(space < 0 ? header : header.slice(0, space));
  const members = new Map<string, string>();
  for (const piece of space < 0 ? [] : header.slice(space + 1).split(",")) {
    const [name = "", ...value] = piece.trim().split("=");
    if (value.length === 0) {
      throw incomplete("The Authorization header has a part that is not a key=value pair (missing equal-sign).");
    }
    if (members.has(name)) throw incomplete(`Authorization header has more than one '${name}' parameter.`);
    members.set(name, value.join("="));
  }
  const missing = ["Credential", "Signature", "SignedHeaders"].filter((name) => !members.get(name));
  const problems = missing.map((name) => `Authorization header requires '${name}' parameter.`);
  const date = headers.get("x-amz-date") ?? headers.get("date");
  if (!date) {
    problems.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  }
  if (problems.length > 0) throw incomplete(problems.join(" "));
  return {
    form: "header",
    ...readCredential(members.get("Credential") ?? ""),
    signedHeaders: (members.get("SignedHeaders") ?? "").split(";"),
    signature: members.get("Signature") ?? "",
    ...readDate(date ?? "", !headers.has("x-amz-date")),
    sessionToken: headers.get("x-amz-security-token") || undefined,
  };
}

function fromQuery(query: Pairs): Authorization {
  const value = (wanted: string) => {
    const values = query.filter(([name]) => name === wanted);
    if (values.length > 1) throw incomplete(`AWS query-string parameters must include '${wanted}' only once.`);
    return values[0]?.[1];
  };
  const missing = queryMembers.filter((name) => !value(name));
  if (missing.length > 0) {
    const problems = missing.map((name) => `AWS query-string parameters must include '${name}'.`);
    throw incomplete([...problems, "Re-examine the query-string parameters."].join(" "));
  }
  checkAlgorithm(value("X-Amz-Algorithm") ?? "");
  return {
    form: "query",
    ...readCredential(value("X-Amz-Credential") ?? ""),
    signedHeaders: (value("X-Amz-SignedHeaders") ?? "").split(";"),
    signature: value("X-Amz-Signature") ?? "",
    ...readDate(value("X-Amz-Date") ?? "", false),
    sessionToken: value("X-Amz-Security-Token") || undefined,
    expiresSeconds: readExpires(value("X-Amz-Expires")),
  };
}

function checkAlgorithm(given: string): void {
  if (given !== algorithm) throw incomplete(`Unsupported AWS 'algorithm': '${clip(given)}'.`);
}

function readCredential(credential: string): { accessKeyId: string; scope: Scope } {
  const [accessKeyId, date, region, service, terminator, ...rest] = credential.split("/");
  if (!accessKeyId || !date || !region || !service || !terminator || rest.length > 0) {
    throw incomplete(
      `Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '${clip(credential)}'`,
    );
  }
  return { accessKeyId, scope: { date, region, service, terminator } };
}

/** `X-Amz-Date` has the basic ISO 8601 format. A `Date` header, which some old clients sign instead, may be RFC 9110's. */
function readDate(text: string, isDateHeader: boolean): { timestamp: string; signedAt: Date } {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  const [, year, month, day, hour, minute, second] = parts ?? [];
  const iso = parts ? `${year}-${month}-${day}T${hour}:${minute}:${second}Z` : text;
  const signedAt = new Date(parts || isDateHeader ? iso : Number.NaN);
  if (Number.isNaN(signedAt.getTime())) {
    throw incomplete(
      `Date must be in ISO-8601 'basic format'. Got '${clip(text)}'. See http://en.wikipedia.org/wiki/ISO_8601`,
    );
  }
  return { timestamp: basicDate(signedAt), signedAt };
}

function readExpires(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= maxExpiresSeconds) return seconds;
  throw incomplete(`X-Amz-Expires must be a number of seconds between 1 and ${maxExpiresSeconds}.`);
}

/** `20261004T101500Z` */
export function basicDate(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

function incomplete(message: string): CallRefused {
  return new CallRefused("IncompleteSignature", message);
}

function clip(text: string): string {
  return text.length > 128 ? `${text.slice(0, 128)}…` : text;
}
