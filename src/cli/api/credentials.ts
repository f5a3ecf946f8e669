import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ClientConfig, KeyPair } from "../../client-config.ts";
import { type Api, CallFailed, elementIn } from "./client.ts";

/** Whom calls are signed as. */
export interface Signer {
  /** Tells one principal's tokens from another's. Not a secret, and not made from one that could be guessed. */
  readonly id: string;
  /** The pair to sign with; a role is assumed now. @throws CallFailed */
  keys(): Promise<SigningKeys>;
}

export interface SigningKeys extends KeyPair {
  /** When the pair ends; absent for one that lasts. */
  readonly expiresAt?: Date;
}

/** Credentials that somebody pointed at and that cannot be used. The message is for them. */
export class CredentialsUnusable extends Error {
  override readonly name = "CredentialsUnusable";
}

/**
 * The first that there is: key pair in the environment, role of a web identity, profile of the credentials file, root key
 * pair of a Berth on this machine. `undefined` where there is none.
 * @throws CredentialsUnusable
 */
export async function findSigner(config: ClientConfig, api: Api): Promise<Signer | undefined> {
  const { keys, webIdentity, profile, credentialsFile, localCredentialsFile } = config;
  if (keys) return withKeys(keys);
  if (webIdentity) {
    const { tokenFile, roleArn, sessionName } = webIdentity;
    return webIdentitySigner(api, { token: await readToken(tokenFile), roleArn, sessionName });
  }
  const pair = await pairIn(credentialsFile, profile.name);
  if (pair) return withKeys(pair);
  if (profile.given)
    throw new CredentialsUnusable(`there is no key pair of the profile ${profile.name} in ${credentialsFile}`);
  const local = await pairIn(localCredentialsFile, "default");
  return local && withKeys(local);
}

function withKeys(keys: KeyPair): Signer {
  return { id: `key ${keys.accessKeyId}`, keys: async () => keys };
}

export interface WebIdentity {
  /** The JWT of an OIDC provider. */
  readonly token: string;
  readonly roleArn: string;
  readonly sessionName?: string;
}

/** Whoever has the token may assume the role; who that is, the server finds out. */
export function webIdentitySigner(
  api: Api,
  { token, roleArn, sessionName = sessionNameFor(token) }: WebIdentity,
): Signer {
  const id = `role ${roleArn} ${sessionName} ${createHash("sha256").update(token).digest("hex")}`;
  return {
    id,
    async keys() {
      const document = await api.query({
        service: "sts",
        action: "AssumeRoleWithWebIdentity",
        version: "2011-06-15",
        input: { RoleArn: roleArn, RoleSessionName: sessionName, WebIdentityToken: token },
      });
      const [accessKeyId, secretAccessKey, sessionToken, expiration] = [
        "AccessKeyId",
        "SecretAccessKey",
        "SessionToken",
        "Expiration",
      ].map((name) => elementIn(document, name));
      if (!accessKeyId || !secretAccessKey || !sessionToken || !expiration) {
        throw new CallFailed("the answer to AssumeRoleWithWebIdentity has no credentials in it");
      }
      return { accessKeyId, secretAccessKey, sessionToken, expiresAt: new Date(expiration) };
    },
  };
}

/** After the token's subject, so that the audit trail tells whose session it is. Nothing is decided by it. */
function sessionNameFor(token: string): string {
  const subject = subjectOf(token).replace(/^system:serviceaccount:/, "");
  const name = subject.replace(/[^\w+=,.@-]+/g, "-").slice(0, 64);
  return name.length >= 2 ? name : "berth";
}

function subjectOf(token: string): string {
  try {
    const { sub } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return typeof sub === "string" ? sub : "";
  } catch {
    return "";
  }
}

async function readToken(file: string): Promise<string> {
  const token = (await readIfThere(file))?.trim();
  if (!token) throw new CredentialsUnusable(`there is no token in AWS_WEB_IDENTITY_TOKEN_FILE, ${file}`);
  return token;
}

/** A pair in an AWS credentials file (AWS CLI user guide, "Configuration and credential file settings"). */
async function pairIn(file: string | undefined, profile: string): Promise<KeyPair | undefined> {
  const text = file && (await readIfThere(file));
  if (!text) return undefined;
  const settings = new Map<string, string>();
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^\s*\[\s*(.*?)\s*\]/.exec(line) ?? [];
    const [, key, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined) section = name;
    else if (key !== undefined && value !== undefined && section === profile) settings.set(key.toLowerCase(), value);
  }
  const accessKeyId = settings.get("aws_access_key_id");
  const secretAccessKey = settings.get("aws_secret_access_key");
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: settings.get("aws_session_token") || undefined };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new CredentialsUnusable(`${file} cannot be read (${code})`);
  }
}
