import { readFile } from "node:fs/promises";
import { KeeperFailed } from "../domain/keys/keepers.ts";
import type { AwsKeys } from "./aws-signing.ts";
import type { Answer } from "./exchange.ts";
import { createKeeperCalls, type KeeperCallsParts, type Refusal } from "./keeper-calls.ts";

export type AwsCredentials =
  | AwsKeys
  /** What a workload has of its platform, as EKS gives it, in exchange for a role (STS, AssumeRoleWithWebIdentity). */
  | { readonly roleArn: string; readonly tokenFile: string };

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
  const { credentials, region, stsEndpoint, clock } = parts;
  if ("accessKeyId" in credentials) return { current: async () => credentials, renew: () => false };
  const { roleArn, tokenFile } = credentials;
  const url = new URL(stsEndpoint ?? awsEndpoint("sts", region));
  const calls = createKeeperCalls({ ...parts, keeper: "AWS STS" });
  let known: Promise<Temporary> | undefined;

  async function assume(): Promise<Temporary> {
    const input = {
      Action: "AssumeRoleWithWebIdentity",
      Version: "2011-06-15",
      RoleArn: roleArn,
      RoleSessionName: "berth",
      WebIdentityToken: await tokenIn(tokenFile),
    };
    return await calls.ask({
      url,
      operation: "AssumeRoleWithWebIdentity",
      body: new URLSearchParams(input).toString(),
      headers: async () => ({ "content-type": "application/x-www-form-urlencoded; charset=utf-8" }),
      read: temporaryIn,
      refusal: refusalIn,
    });
  }

  return {
    async current() {
      const before = known;
      const found = await before?.catch(() => undefined);
      if (found && found.expiresAt - earlyMs > clock().getTime()) return found.keys;
      // Whoever waited for the same answer finds what the first of them has begun.
      if (known === before) known = assume();
      return (await (known as Promise<Temporary>)).keys;
    },
    renew() {
      known = undefined;
      return true;
    },
  };
}

export function awsEndpoint(service: "kms" | "sts", region: string): string {
  return `https://${service}.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

interface Temporary {
  readonly keys: AwsKeys;
  readonly expiresAt: number;
}

function temporaryIn(document: string): Temporary | undefined {
  const [accessKeyId, secretAccessKey, sessionToken] = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map((name) =>
    elementIn(document, name),
  );
  const expiresAt = Date.parse(elementIn(document, "Expiration") ?? "");
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAt)) return undefined;
  return { keys: { accessKeyId, secretAccessKey, sessionToken }, expiresAt };
}

function refusalIn({ body }: Answer): Refusal | undefined {
  const document = body.toString("utf8");
  const code = elementIn(document, "Code");
  if (code === undefined) return undefined;
  // The token may not have reached whoever vouches for it yet (STS API reference).
  const isPassing = code === "IDPCommunicationError" || /^Throttling/.test(code);
  return { code, text: `${code}: ${elementIn(document, "Message") ?? ""}`, ...(isPassing && { isPassing }) };
}

/** None that we look for has markup or an entity in it, but for messages, which are shown as they are. */
function elementIn(document: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(document)?.[1];
}

const maxTokenBytes = 64 * 1024;

async function tokenIn(file: string): Promise<string> {
  try {
    const text = (await readFile(file, "utf8")).trim();
    if (text !== "" && text.length <= maxTokenBytes) return text;
  } catch (error) {
    throw new KeeperFailed(
      `the web identity token ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      false,
    );
  }
  throw new KeeperFailed(`${file} does not have a web identity token in it`, false);
}
