import { CallRefused } from "./errors.ts";

export type Pairs = readonly (readonly [name: string, value: string])[];

/**
 * A query string or a form, percent-decoded. The one reader of both, so that what a signature covers and what an
 * operation gets can never be two things.
 * @throws CallRefused where the encoding is broken or is not UTF-8
 */
export function parsePairs(text: string): Pairs {
  const pairs: (readonly [string, string])[] = [];
  for (const piece of text.split("&")) {
    if (piece === "") continue;
    const equals = piece.indexOf("=");
    pairs.push(equals < 0 ? [decode(piece), ""] : [decode(piece.slice(0, equals)), decode(piece.slice(equals + 1))]);
  }
  return pairs;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new CallRefused("Unreadable", "The request parameters are not correctly percent-encoded");
  }
}

/** Everything but the unreserved characters of RFC 3986, which is a little more than encodeURIComponent does. */
export function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
