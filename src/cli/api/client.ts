import { readFile } from "node:fs/promises";
import type { ApiService, ClientConfig, KeyPair } from "../../client-config.ts";
import { signedHeaders } from "../../remotes/aws-signing.ts";

/** The APIs of a Berth, for commands that are its clients. */
export interface Api {
  /** An operation of a JSON 1.1 service, signed. @throws CallFailed */
  json<Output>(call: JsonCall): Promise<Output>;
  /** An operation of a Query service that takes no signature; answers its document. @throws CallFailed */
  query(call: QueryCall): Promise<string>;
}

export interface JsonCall {
  readonly service: ApiService;
  /** `X-Amz-Target`: prefix and operation. */
  readonly target: string;
  readonly input: object;
  readonly keys: KeyPair;
  /** Absent: the configured one. */
  readonly region?: string;
}

export interface QueryCall {
  readonly service: ApiService;
  readonly action: string;
  readonly version: string;
  readonly input: Readonly<Record<string, string>>;
}

/** A call that was not answered, or not with success. The message names endpoint, operation and cause, never a secret. */
export class CallFailed extends Error {
  override readonly name = "CallFailed";
  /** The error's name as AWS gives it; absent where nothing answered. */
  constructor(
    message: string,
    readonly code?: string,
  ) {
    super(message);
  }
}

/** A helper holds up a `docker pull`: it had better fail than hang. */
const defaultTimeoutMs = 15_000;
/** An explanation or a token has a few KB. */
const defaultAnswerBytes = 1024 * 1024;

export interface ApiOptions {
  readonly timeoutMs?: number;
  readonly maxAnswerBytes?: number;
  readonly clock?: () => Date;
}

export function createApi(
  { endpoints, region, authorityFile }: Pick<ClientConfig, "endpoints" | "region" | "authorityFile">,
  options: ApiOptions = {},
): Api {
  const { timeoutMs = defaultTimeoutMs, maxAnswerBytes = defaultAnswerBytes, clock = () => new Date() } = options;

  function endpointOf(service: ApiService): URL {
    const endpoint = endpoints[service];
    if (endpoint) return endpoint;
    throw new CallFailed("nobody has said where Berth is: set BERTH_ENDPOINT, or `endpoint` in ~/.berth/helper.yaml");
  }

  /** Text of a successful answer. */
  async function send(endpoint: URL, operation: string, headers: Record<string, string>, body: string) {
    const authorities = endpoint.protocol === "https:" ? await authoritiesIn(authorityFile) : {};
    let response: Response;
    let text: string;
    try {
      // A redirect would take the signature, or a token in the body, to a place that nobody configured.
      const signal = AbortSignal.timeout(timeoutMs);
      response = await fetch(endpoint, { method: "POST", headers, body, redirect: "manual", signal, ...authorities });
      text = await limitedText(response, maxAnswerBytes);
    } catch (error) {
      throw new CallFailed(`${endpoint.origin} does not answer ${operation}: ${causeOf(error, timeoutMs)}`);
    }
    if (response.status === 200) return text;
    const { code, message } = errorIn(response, text);
    const requestId = response.headers.get("x-amzn-requestid");
    const request = requestId ? ` (request ${requestId})` : "";
    throw new CallFailed(`${endpoint.origin} refused ${operation}: ${code}: ${message}${request}`, code);
  }

  return {
    async json<Output>({ service, target, input, keys, region: elsewhere }: JsonCall) {
      const endpoint = endpointOf(service);
      const operation = target.slice(target.lastIndexOf(".") + 1);
      const body = JSON.stringify(input);
      const headers = { host: endpoint.host, "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
      const signing = { service, keys, region: elsewhere ?? region, now: clock() };
      const signed = await signedHeaders(endpoint, headers, body, signing);
      const text = await send(endpoint, operation, signed, body);
      try {
        return JSON.parse(text) as Output;
      } catch {
        throw new CallFailed(`${endpoint.origin} answered ${operation} with something that is not JSON`);
      }
    },
    async query({ service, action, version, input }) {
      const endpoint = endpointOf(service);
      const body = new URLSearchParams({ Action: action, Version: version, ...input }).toString();
      return send(endpoint, action, { "content-type": "application/x-www-form-urlencoded; charset=utf-8" }, body);
    },
  };
}

class TooLong extends Error {
  constructor(maxAnswerBytes: number) {
    super(`an answer of more than ${maxAnswerBytes} bytes`);
  }
}

async function limitedText(response: Response, maxAnswerBytes: number): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > maxAnswerBytes) throw new TooLong(maxAnswerBytes);
  }
  return text + decoder.decode();
}

/** Who vouches for a server in place of those that the system trusts, as `fetch` takes it. */
async function authoritiesIn(file: string | undefined): Promise<{ tls?: { ca: string } }> {
  if (file === undefined) return {};
  try {
    return { tls: { ca: await readFile(file, "utf8") } };
  } catch (error) {
    throw new CallFailed(`AWS_CA_BUNDLE: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function causeOf(error: unknown, timeoutMs: number): string {
  if (error instanceof TooLong) return error.message;
  const { name, code = "", message } = error as Error & { code?: string };
  if (name === "TimeoutError") return `nothing came within ${timeoutMs / 1000} seconds`;
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "nobody listens there";
  if (code === "FailedToOpenSocket" || code === "ENOTFOUND") return "its name is not known, or it cannot be reached";
  return code ? `${message} (${code})` : message;
}

/** An error as JSON 1.1 or Query spells it, or as whatever stands in front of the server does. */
function errorIn(response: Response, text: string): { code: string; message: string } {
  if (response.status >= 300 && response.status < 400) {
    return {
      code: `HTTP ${response.status}`,
      message: "a redirect, which is not followed; set the endpoint that it leads to",
    };
  }
  const type = response.headers.get("content-type") ?? "";
  if (/json/.test(type)) {
    try {
      const { __type, message, Message } = JSON.parse(text) as Record<string, unknown>;
      const code = response.headers.get("x-amzn-errortype") ?? String(__type ?? `HTTP ${response.status}`);
      return { code: code.replace(/^.*#|:.*$/g, ""), message: String(message ?? Message ?? "no message") };
    } catch {
      // Told as any other text.
    }
  }
  const code = elementIn(text, "Code");
  if (/xml/.test(type) && code) return { code, message: elementIn(text, "Message") ?? "no message" };
  return { code: `HTTP ${response.status}`, message: "an answer that is not from an AWS API" };
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** The text of the first element of that name: all that we need of the answers of Query services. */
export function elementIn(document: string, name: string): string | undefined {
  const [, text] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(document) ?? [];
  return text?.replace(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w+));/g, (whole, hex, decimal, entity) => {
    if (entity !== undefined) return entities[entity] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}
