import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { KeeperFailed } from "../domain/keys/keepers.ts";
import { createSlots } from "../domain/turns.ts";
import { type Answer, exchange, NotFetched } from "./exchange.ts";
import { printable } from "./printable.ts";

/** Asks a service that holds the master key. */
export interface KeeperCalls {
  /**
   * The object in a successful answer. Nothing that is asked may harm when it is asked twice.
   * @throws KeeperFailed
   */
  ask<Asked>(question: KeeperQuestion<Asked>): Promise<Asked>;
}

export interface KeeperQuestion<Asked> {
  readonly url: URL;
  /** What errors call it: `Encrypt`. */
  readonly operation: string;
  /** Makes it a POST. */
  readonly body?: string;
  /** Made anew for each try: signatures and tokens age. */
  headers(): Promise<Record<string, string>>;
  /** What a successful answer says; `undefined` when that is not what was asked for. */
  read(answer: string): Asked | undefined;
  /** What the service itself says was wrong; `undefined` when the answer is not its own. */
  refusal(answer: Answer): Refusal | undefined;
}

export interface Refusal {
  readonly code?: string;
  readonly text: string;
  /** Whether it may be otherwise in a moment, whatever the status says. */
  readonly isPassing?: boolean;
}

export interface KeeperCallsParts {
  /** What errors call the service: `AWS KMS`. */
  readonly keeper: string;
  /** A file with certificates in PEM. Read each time: it may be renewed. */
  readonly authority?: string;
  readonly limits?: Partial<KeeperLimits>;
}

interface KeeperLimits {
  /** Of one try. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly tries: number;
  /** Before the second try; twice that before the third. */
  readonly pauseMs: number;
  readonly concurrent: number;
  /** How long others are spared from asking one that did not answer. */
  readonly sparedMs: number;
}

/** Some services show in an error what they were sent. */
const secretHeaders = ["authorization", "x-amz-security-token", "x-vault-token"];

const presets: KeeperLimits = {
  timeoutMs: 5_000,
  maxBytes: 64 * 1024,
  tries: 4,
  pauseMs: 100,
  concurrent: 16,
  sparedMs: 1_000,
};

export function createKeeperCalls({ keeper, authority, limits }: KeeperCallsParts): KeeperCalls {
  const { timeoutMs, maxBytes, tries, pauseMs, concurrent, sparedMs } = { ...presets, ...limits };
  const slots = createSlots(concurrent);
  let failed: { readonly error: KeeperFailed; readonly at: number } | undefined;

  async function askOnce<Asked>({ url, operation, body, headers, read, refusal }: KeeperQuestion<Asked>) {
    const who = `${keeper} at ${url.origin}`;
    const fail = (why: string, isPassing = false, code?: string) => new KeeperFailed(`${who} ${why}`, isPassing, code);
    const question = { url, body, headers: await headers(), authorities: await authoritiesIn(authority) };
    const signal = AbortSignal.timeout(timeoutMs);
    let answer: Answer;
    try {
      answer = await exchange(question, { timeoutMs, maxBytes }, signal);
    } catch (error) {
      const isPassing = !(error instanceof NotFetched);
      throw fail(`does not answer ${operation}: ${causeOf(error, signal, timeoutMs)}`, isPassing);
    }
    const { status } = answer;
    if (status === 200) {
      const asked = read(answer.body.toString("utf8"));
      if (asked !== undefined) return asked;
      throw fail(`answered ${operation} with something else than was asked for`);
    }
    if (status >= 300 && status < 400) {
      throw fail(`answered ${operation} with a redirect, which is not followed: configure the address it leads to`);
    }
    const refused = refusal(answer) ?? { text: "an answer that is not its own" };
    const why = `refused ${operation}: ${printable(refused.text, secretsIn(question.headers), 500)} (status ${status})`;
    throw fail(why, refused.isPassing ?? (status >= 500 || status === 429), refused.code);
  }

  async function askOften<Asked>(question: KeeperQuestion<Asked>): Promise<Asked> {
    for (let tried = 1; ; tried++) {
      try {
        return await askOnce(question);
      } catch (error) {
        if (!(error instanceof KeeperFailed) || !error.isPassing) throw error;
        if (tried === tries) {
          failed = { error, at: performance.now() };
          throw error;
        }
        // Not all processes at the same time.
        await pause(pauseMs * 2 ** (tried - 1) * (0.5 + Math.random()));
      }
    }
  }

  return {
    ask: (question) =>
      slots.run(async () => {
        if (failed && performance.now() - failed.at < sparedMs) throw failed.error;
        return await askOften(question);
      }),
  };
}

async function authoritiesIn(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new KeeperFailed(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, false);
  }
}

/** The object in a text, empty where there is none. */
export function objectIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** `undefined` for what is not base64. */
export function bytesIn(base64: unknown): Uint8Array | undefined {
  if (typeof base64 !== "string" || base64 === "") return undefined;
  const bytes = Buffer.from(base64, "base64");
  return bytes.toString("base64") === base64 ? bytes : undefined;
}

const secretsIn = (sent: Readonly<Record<string, string>>) =>
  Object.entries(sent).flatMap(([name, value]) => (secretHeaders.includes(name.toLowerCase()) ? [value] : []));

function causeOf(error: unknown, signal: AbortSignal, timeoutMs: number): string {
  if (signal.aborted) return `nothing came within ${timeoutMs / 1000} seconds`;
  if (error instanceof NotFetched) return error.message;
  const { code = "", message } = error as { code?: string; message: string };
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "nobody listens there";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its name is not known";
  return code && !message.includes(code) ? `${message} (${code})` : message;
}
