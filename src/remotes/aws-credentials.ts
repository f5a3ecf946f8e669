import { readFile } from "node:fs/promises";
import { KeeperFailed } from "../domain/keys/keepers.ts";
import type { AwsKeys } from "./aws-signing.ts";
import type { Answer } from "./exchange.ts";
import { createKeeperCalls, type KeeperCallsParts, objectIn, type Refusal } from "./keeper-calls.ts";

export type AwsCredentials =
  | AwsKeys
  /** What a workload has of its platform, as EKS gives it, in exchange for a role (STS, AssumeRoleWithWebIdentity). */
  | { readonly roleArn: string; readonly tokenFile: string }
  /** Where a platform gives its workloads credentials, as ECS and EKS Pod Identity do, and what shows who asks. */
  | { readonly url: string; readonly tokenFile?: string };

export interface AwsSigners {
  /** @throws KeeperFailed */
  current(): Promise<AwsKeys>;
  /** Those of now are of no use: answers whether the next may be others. */
  renew(): boolean;
}

export interface AwsCredentialsParts extends Pick<KeeperCallsParts, "authority" | "limits"> {
  readonly credentials: AwsCredentials;
  readonly region: string;
  readonly stsEndpoint?: string;
  readonly clock: () => Date;
}

/** So long before they expire, new ones are asked for. */
const earlyMs = 5 * 60_000;

export function createAwsCredentials(parts: AwsCredentialsParts): AwsSigners {
  const { credentials, clock } = parts;
  if ("accessKeyId" in credentials) return { current: async () => credentials, renew: () => false };
  const fetchNew = "roleArn" in credentials ? assumingRole(parts, credentials) : askingPlatform(parts, credentials);
  let known: Promise<Temporary> | undefined;

  return {
    async current() {
      const before = known;
      const found = await before?.catch(() => undefined);
      if (found && found.expiresAt - earlyMs > clock().getTime()) return found.keys;
      // Whoever waited for the same answer finds what the first of them has begun.
      if (known === before) known = fetchNew();
      return (await (known as Promise<Temporary>)).keys;
    },
    renew() {
      known = undefined;
      return true;
    },
  };
}

function assumingRole(
  { region, stsEndpoint, ...parts }: AwsCredentialsParts,
  { roleArn, tokenFile }: { readonly roleArn: string; readonly tokenFile: string },
): () => Promise<Temporary> {
  const calls = createKeeperCalls({ ...parts, keeper: "AWS STS" });
  return async () => {
    const input = {
      Action: "AssumeRoleWithWebIdentity",
      Version: "2011-06-15",
      RoleArn: roleArn,
      RoleSessionName: "berth",
      WebIdentityToken: await tokenIn(tokenFile),
    };
    return await calls.ask({
      url: new URL(stsEndpoint ?? awsEndpoint("sts", region)),
      operation: "AssumeRoleWithWebIdentity",
      body: new URLSearchParams(input).toString(),
      headers: async () => ({ "content-type": "application/x-www-form-urlencoded; charset=utf-8" }),
      read: (document) => temporaryOf((name) => elementIn(document, name), "SessionToken"),
      refusal: refusalOfSts,
    });
  };
}

function askingPlatform(
  { limits }: AwsCredentialsParts,
  { url, tokenFile }: { readonly url: string; readonly tokenFile?: string },
): () => Promise<Temporary> {
  const calls = createKeeperCalls({ limits, keeper: "the credentials service" });
  return () =>
    calls.ask({
      url: new URL(url),
      operation: "the request for credentials",
      headers: async () => ({
        accept: "application/json",
        ...(tokenFile !== undefined && { authorization: await tokenIn(tokenFile) }),
      }),
      read(answer) {
        const members = objectIn(answer);
        const textIn = (name: string) => (typeof members[name] === "string" ? members[name] : undefined);
        return temporaryOf(textIn, "Token");
      },
      refusal({ body }) {
        const { code, message } = objectIn(body.toString("utf8"));
        return typeof code === "string" ? { code, text: `${code}: ${message ?? ""}` } : undefined;
      },
    });
}

export function awsEndpoint(service: "kms" | "sts", region: string): string {
  return `https://${service}.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

export interface Temporary {
  readonly keys: AwsKeys;
  readonly expiresAt: number;
}

/** @param token what the answer calls the session token */
export function temporaryOf(textIn: (name: string) => string | undefined, token: string): Temporary | undefined {
  const [accessKeyId, secretAccessKey, sessionToken] = ["AccessKeyId", "SecretAccessKey", token].map(textIn);
  const expiresAt = Date.parse(textIn("Expiration") ?? "");
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAt)) return undefined;
  return { keys: { accessKeyId, secretAccessKey, sessionToken }, expiresAt };
}

function refusalOfSts({ body }: Answer): Refusal | undefined {
  const document = body.toString("utf8");
  const code = elementIn(document, "Code");
  if (code === undefined) return undefined;
  // The token may not have reached whoever vouches for it yet (STS API reference).
  const isPassing = code === "IDPCommunicationError" || /^Throttling/.test(code);
  return { code, text: `${code}: ${elementIn(document, "Message") ?? ""}`, ...(isPassing && { isPassing }) };
}

/** None that we look for has markup or an entity in it, but for messages, which are shown as they are. */
export function elementIn(document: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(document)?.[1];
}

const maxTokenBytes = 64 * 1024;

async function tokenIn(file: string): Promise<string> {
  try {
    const text = (await readFile(file, "utf8")).trim();
    // Anything else could not be sent as a header.
    if (/^[\x20-\x7e]+$/.test(text) && text.length <= maxTokenBytes) return text;
  } catch (error) {
    throw new KeeperFailed(`the token ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, false);
  }
  throw new KeeperFailed(`${file} does not have a token in it`, false);
}
