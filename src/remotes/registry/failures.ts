import { RemoteFailure, type RemoteProblem } from "../../domain/registry/remote-registry.ts";
import { NotFetched } from "../exchange.ts";
import { objectIn } from "../keeper-calls.ts";
import { printable } from "../printable.ts";

/** What of an answer says why it is none. */
export interface Refused {
  readonly status: number;
  readonly retryAfter?: string;
  /** The beginning of the body. */
  readonly text: string;
}

/** Longest wait that a registry is believed to want. */
const maxRetryAfterMs = 24 * 60 * 60_000;
const maxShown = 200;

/** @param secrets what was sent and must not be shown, should the other side repeat it */
export function failureOf(who: string, refused: Refused, secrets: readonly string[], now: Date): RemoteFailure {
  const { status, retryAfter, text } = refused;
  const { code, message } = firstError(text);
  const why = [code, message && printable(message, secrets, maxShown)].filter(Boolean).join(": ");
  return new RemoteFailure(
    problemOf(status, code, retryAfter !== undefined),
    `${who} answered ${status}${why && ` (${why})`}`.slice(0, maxShown * 2),
    { status, code, retryAfterMs: retryAfterMs(retryAfter, now) },
  );
}

function problemOf(status: number, code: string | undefined, isToWait: boolean): RemoteProblem {
  if (status === 429 || code === "TOOMANYREQUESTS" || (status === 503 && isToWait)) return "throttled";
  if (status === 401 || status === 403) return "denied";
  if (status >= 500 || status === 408 || status === 425) return "unavailable";
  return status >= 400 ? "refused" : "nonsense";
}

/** Some say that something is not there with another status. */
const unknown = new Set(["NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN"]);

/** Whether it says only that there is no such thing. */
export function isUnknown({ problem, facts }: RemoteFailure): boolean {
  return problem === "refused" && (facts.status === 404 || unknown.has(facts.code ?? ""));
}

/** The first error of an OCI error body (distribution specification, "Error Codes"). */
function firstError(text: string): { readonly code?: string; readonly message?: string } {
  const { errors, details } = objectIn(text);
  const [first] = Array.isArray(errors) ? errors : [];
  const { code, message } = (typeof first === "object" && first !== null ? first : {}) as Record<string, unknown>;
  const said = typeof message === "string" ? message : details;
  return {
    ...(typeof code === "string" && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) && { code }),
    ...(typeof said === "string" && { message: said }),
  };
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. */
export function retryAfterMs(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (!/^(?:\d{1,9}|[A-Z][a-z]{2}.*)$/.test(text)) return undefined;
  const ms = /^\d/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), maxRetryAfterMs);
}

/** What came of a connection, as a failure of the registry. A signal's own reason stays what it is. */
export function networkFailure(who: string, error: unknown, signal?: AbortSignal): unknown {
  if (error instanceof RemoteFailure) return error;
  if (signal?.aborted) return signal.reason;
  if (error instanceof NotFetched) {
    return new RemoteFailure("out-of-bounds", `${who} cannot be asked: ${error.message}`, { cause: error });
  }
  return new RemoteFailure("unavailable", `${who} cannot be reached: ${causeOf(error)}`, { cause: error });
}

const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ConnectionRefused: "nobody listens there",
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name cannot be looked up now",
  ECONNRESET: "the connection broke",
  EPIPE: "the connection broke",
};

function causeOf(error: unknown): string {
  const { code = "", message } = error as { code?: string; message: string };
  return (
    causes[code] ?? printable(code !== "" && !message.includes(code) ? `${message} (${code})` : message, [], maxShown)
  );
}
