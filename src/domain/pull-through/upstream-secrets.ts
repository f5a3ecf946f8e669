import { type Refusal, refuse } from "../errors.ts";
import type { Registry } from "../names.ts";

/** Where the secrets are that credentials are read from. Another area of the domain keeps it. */
export interface UpstreamSecrets {
  /**
   * What the secret says today.
   * @throws UpstreamSecretNotFound, SecretInaccessible for one that has no value or is to be deleted, SecretUndecryptable
   */
  read(registry: Registry, arn: string): Promise<string>;
}

export interface UpstreamCredentials {
  readonly user: string;
  readonly password: string;
}

/** `{"username": …, "accessToken": …}` (ECR user guide, "Storing your upstream repository credentials"). @throws SecretInaccessible */
export async function readCredentials(
  secrets: UpstreamSecrets,
  registry: Registry,
  arn: string,
): Promise<UpstreamCredentials> {
  const text = await secrets.read(registry, arn);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw malformed(arn);
  }
  if (typeof content !== "object" || content === null) throw malformed(arn);
  const { username: user, accessToken: password } = content as Record<string, unknown>;
  if (!isText(user) || !isText(password) || user.includes(":")) throw malformed(arn);
  return { user, password };
}

/** What a header can carry. */
function isText(value: unknown): value is string {
  return typeof value === "string" && /^[\u0020-\u007e\u00a0-\uffff]{1,8192}$/.test(value);
}

function malformed(arn: string): Refusal {
  const reason = "its value must be a JSON object with the texts username and accessToken";
  return refuse("SecretInaccessible", { arn, reason });
}
