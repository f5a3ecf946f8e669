import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Guard } from "./guard.ts";

export interface Limits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly body: Buffer;
}

/** What is asked for must not, or can never, be fetched; unlike a failure, which may pass. */
export class NotFetched extends Error {
  override readonly name = "NotFetched";
}

export interface Question {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Makes it a POST. */
  readonly body?: string;
  /** Finds the addresses to connect to, in place of the system. */
  readonly lookup?: Guard["lookup"];
  /** Who vouches for the other side, in PEM; those that the system trusts where it is left out. */
  readonly authorities?: string;
}

/**
 * Asks once: no redirect is followed, no proxy of the environment used, nothing is unpacked.
 * @throws NotFetched for an answer beyond the limit, and whatever the network says
 */
export function exchange(question: Question, { maxBytes }: Limits, signal: AbortSignal): Promise<Answer> {
  const { url, headers, body, lookup, authorities: ca } = question;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = (url.protocol === "http:" ? requestPlain : requestSecure)(url, {
    method: body === undefined ? "GET" : "POST",
    agent: false,
    signal,
    headers,
    ...(lookup && { lookup: lookup as never }),
    ...(ca !== undefined && { ca }),
  });
  asked.on("error", reject);
  asked.on("response", (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= maxBytes) return;
      reject(new NotFetched(`more than ${maxBytes} bytes`));
      asked.destroy();
    });
    response.on("error", reject);
    response.on("end", () => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
    });
  });
  asked.end(body);
  return promise;
}
