import {
  type EcrAccess,
  type EcrKeys,
  type RemoteCredentials,
  RemoteFailure,
  type RemoteProblem,
} from "../../domain/registry/remote-registry.ts";
import { elementIn, type Temporary, temporaryOf } from "../aws-credentials.ts";
import { signedHeaders } from "../aws-signing.ts";
import { bytesIn, objectIn } from "../keeper-calls.ts";
import { printable } from "../printable.ts";
import { retryAfterMs } from "./failures.ts";
import type { Transport } from "./transport.ts";

export interface EcrCredentialsParts {
  readonly access: EcrAccess;
  readonly transport: Transport;
  readonly clock: () => Date;
}

interface Password {
  readonly user: string;
  readonly password: string;
  readonly expiresAt: number;
}

/** So long before they expire, new ones are asked for; those of a short life after nine tenths of it. */
const earlyMs = 30 * 60_000;
const maxAnswerBytes = 256 * 1024;
const timeoutMs = 30_000;
const maxShown = 200;

/** What a password is good for may have ended before it expires; then whoever was refused reads again. */
export function createEcrCredentials({ access, transport, clock }: EcrCredentialsParts): RemoteCredentials {
  let known: { readonly read: Promise<Password> } | undefined;
  let renewAt = Number.NEGATIVE_INFINITY;

  async function fetchNew(again: boolean): Promise<Password> {
    const keys = await access.keys({ again });
    const signer = access.role ? (await assumed(access.role, keys)).keys : keys;
    const askedAt = clock().getTime();
    const password = passwordIn(await askEcr(signer));
    if (!password) throw new RemoteFailure("nonsense", `${hostOf(access.endpoint)} answered with no password`);
    const lifetimeMs = password.expiresAt - askedAt;
    renewAt = password.expiresAt - Math.min(earlyMs, lifetimeMs / 10);
    return password;
  }

  function askEcr(keys: EcrKeys): Promise<string> {
    return ask(access.endpoint, "GetAuthorizationToken", "ecr", keys, {
      body: "{}",
      type: "application/x-amz-json-1.1",
      target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
    });
  }

  async function assumed(role: NonNullable<EcrAccess["role"]>, keys: EcrKeys): Promise<Temporary> {
    const input = {
      Action: "AssumeRole",
      Version: "2011-06-15",
      RoleArn: role.arn,
      RoleSessionName: "berth",
      ...(role.externalId !== undefined && { ExternalId: role.externalId }),
    };
    const answer = await ask(role.stsEndpoint, "AssumeRole", "sts", keys, {
      body: new URLSearchParams(input).toString(),
      type: "application/x-www-form-urlencoded; charset=utf-8",
    });
    const temporary = temporaryOf((name) => elementIn(answer, name), "SessionToken");
    if (temporary) return temporary;
    throw new RemoteFailure("nonsense", `${hostOf(role.stsEndpoint)} answered with no credentials`);
  }

  /** @throws RemoteFailure */
  async function ask(
    endpoint: string,
    operation: string,
    service: "ecr" | "sts",
    keys: EcrKeys,
    { body, type, target }: { readonly body: string; readonly type: string; readonly target?: string },
  ): Promise<string> {
    const url = endpointIn(endpoint);
    const unsigned = { host: url.host, "content-type": type, ...(target && { "x-amz-target": target }) };
    const signing = { service, region: access.region, keys, now: clock() };
    const signed = await signedHeaders(url, unsigned, body, signing);
    const reply = await transport.ask({
      method: "POST",
      url,
      headers: { ...signed, "accept-encoding": "identity", "user-agent": "Berth" },
      body: Buffer.from(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = (await reply.whole(maxAnswerBytes)).toString("utf8");
    if (reply.status === 200) return text;
    const named = reply.headers["x-amzn-errortype"];
    const { code, message } = refusalIn(text, typeof named === "string" ? named : undefined);
    const secrets = [keys.secretAccessKey, keys.sessionToken ?? "", signed.authorization ?? ""];
    const why = printable([code, message].filter(Boolean).join(": "), secrets, maxShown);
    throw new RemoteFailure(
      problemOf(reply.status, code),
      `${url.host} refused ${operation} with status ${reply.status}${why && ` (${why})`}`,
      { status: reply.status, retryAfterMs: retryAfterMs(reply.headers["retry-after"], clock()) },
    );
  }

  return {
    async read({ again }) {
      const before = known;
      const found = await before?.read.catch(() => undefined);
      if (found && !again && clock().getTime() < renewAt) return found;
      // Whoever waited for the same answer finds what the first of them has begun.
      if (known === before) known = { read: fetchNew(again) };
      return await (known as { read: Promise<Password> }).read;
    },
  };
}

/** Others' addresses are no part of a URL that keys are sent to. @throws RemoteFailure */
function endpointIn(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && url.pathname === "/" && url.search === "" && url.hash === "") return url;
  throw new RemoteFailure("out-of-bounds", "that is no address of an API");
}

const hostOf = (endpoint: string) => endpointIn(endpoint).host;

/** The first of `authorizationData`: a token stands for who asked, so that one fits all registries. */
function passwordIn(text: string): Password | undefined {
  const { authorizationData } = objectIn(text);
  const [first] = Array.isArray(authorizationData) ? authorizationData : [];
  const { authorizationToken, expiresAt } = (first ?? {}) as Record<string, unknown>;
  const plain = Buffer.from(bytesIn(authorizationToken) ?? []).toString("utf8");
  const colon = plain.indexOf(":");
  if (colon < 1 || typeof expiresAt !== "number" || !/^[\x21-\x7e]+$/.test(plain)) return undefined;
  return { user: plain.slice(0, colon), password: plain.slice(colon + 1), expiresAt: expiresAt * 1000 };
}

/** As the JSON protocol of AWS spells it, or the query protocol of STS. */
function refusalIn(text: string, errorType: string | undefined) {
  const { __type, message, Message } = objectIn(text);
  const type = errorType ?? (typeof __type === "string" ? __type : elementIn(text, "Code"));
  const said = [message, Message, elementIn(text, "Message")].find((found) => typeof found === "string");
  return { code: type?.replace(/^.*#|:.*$/g, ""), message: said as string | undefined };
}

function problemOf(status: number, code = ""): RemoteProblem {
  if (status === 429 || /Throttl|TooManyRequests|RequestLimitExceeded/.test(code)) return "throttled";
  if (status >= 500) return "unavailable";
  const isDenied = status === 401 || status === 403 || /Denied|Unrecognized|Signature|Token|AccessKey|Auth/.test(code);
  return isDenied ? "denied" : status >= 400 ? "refused" : "nonsense";
}
