import { isatty } from "node:tty";
import pino from "pino";

export type LogFacts = Record<string, unknown>;

/** What the rest of Berth logs with. Facts first, then a sentence; an `error` among the facts keeps its stack and causes. */
export interface Log {
  debug(facts: LogFacts, message: string): void;
  info(facts: LogFacts, message: string): void;
  warn(facts: LogFacts, message: string): void;
  error(facts: LogFacts, message: string): void;
}

export interface LogOptions {
  level: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  format: "auto" | "json" | "pretty";
  /** Its number, in a process that is one of several; on every line. */
  worker?: number;
  /** Takes whole lines; standard output when absent. */
  write?: (line: string) => void;
}

export function createLog({ level, format, worker, write }: LogOptions): Log {
  const pretty = format === "pretty" || (format === "auto" && isatty(1));
  const out = write ? { write } : pino.destination({ fd: 1, sync: true });
  const log = pino(
    {
      level,
      base: worker === undefined ? null : { worker },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (facts) => redact(facts, 0) as LogFacts },
    },
    pretty ? { write: (line: string) => out.write(prettyLine(line)) } : out,
  );
  return log as Log;
}

const secretName = /authorization|password|secret|credential|cookie|token|private.?key|signature/i;
const maxDepth = 6;

/** Nobody means to log a secret; this is for whoever logs an object without looking at all of it. */
function redact(value: unknown, depth: number): unknown {
  if (value instanceof Error) return describeError(value, depth);
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof URL) return value;
  if (depth > maxDepth) return "…";
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, secretName.test(key) ? "[hidden]" : redact(member, depth + 1)]),
  );
}

/** Only what says where it went wrong: the other properties of a library's error may hold a request or a password. */
function describeError(error: Error, depth: number): LogFacts {
  const { name, message, stack } = error;
  const code = (error as { code?: unknown }).code;
  return {
    name,
    message,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    stack,
    ...(error.cause !== undefined && depth < maxDepth ? { cause: redact(error.cause, depth + 1) } : {}),
  };
}

const colours: Record<string, number> = { debug: 36, info: 32, warn: 33, error: 31, fatal: 31 };

/** `14:03:12.345 INFO  listening url=http://…`, an error's stack on lines of its own. */
function prettyLine(line: string): string {
  const { level, time, msg, error, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const label = String(level).toUpperCase().padEnd(5);
  const pairs = Object.entries(facts).map(([key, value]) => `${key}=${plain(value)}`);
  const head = `${String(time).slice(11, 23)} \x1b[${colours[String(level)] ?? 37}m${label}\x1b[0m ${msg}`;
  return `${[head, ...pairs].join(" ")}\n${stackLines(error)}`;
}

function plain(value: unknown): string {
  return typeof value === "string" && /^[!#-<>-~]+$/.test(value) ? value : JSON.stringify(value);
}

function stackLines(error: unknown): string {
  if (error === undefined) return "";
  if (typeof error !== "object" || error === null) return `  ${plain(error)}\n`;
  const { stack, name, message, cause } = error as { stack?: string; name?: string; message?: string; cause?: unknown };
  const text = stack?.includes(String(message)) ? stack : `${name}: ${message}\n${stack ?? ""}`;
  return `${text.trimEnd().replaceAll(/^/gm, "  ")}\n${cause === undefined ? "" : `  caused by\n${stackLines(cause)}`}`;
}
