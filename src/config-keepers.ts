/** What may be said of a keeper of the master key that is elsewhere: AWS KMS or Vault. */

const isOwnMachine = (host: string) => host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
/** Of ECS, and of EKS Pod Identity: addresses that lead no further than the machine, and have no TLS. */
const platformHosts = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/** Keys and tokens go there. */
function isSafe({ protocol, hostname, username, password, hash }: URL, plainHosts: readonly string[] = []): boolean {
  const mayBePlain = isOwnMachine(hostname) || plainHosts.includes(hostname);
  return (protocol === "https:" || (protocol === "http:" && mayBePlain)) && username + password + hash === "";
}

export const httpsUrl = Object.assign(
  (given: string): string | undefined => {
    if (!URL.canParse(given)) return undefined;
    const url = new URL(given);
    return isSafe(url) && url.pathname === "/" && url.search === "" ? url.origin : undefined;
  },
  { allowed: "https://HOST with nothing behind the host; http:// on this machine only" },
);

export const credentialsUrl = Object.assign(
  (given: string): string | undefined =>
    URL.canParse(given) && isSafe(new URL(given), platformHosts) ? new URL(given).href : undefined,
  { allowed: "https://…; http:// on this machine and at the addresses of ECS and EKS only" },
);

export function kmsKey(given: string): string | undefined {
  return /^(?:arn:[a-z0-9-]+:kms:[a-z0-9-]+:\d{12}:(?:key|alias)\/|alias\/)?[A-Za-z0-9/_-]{1,256}$/.test(given)
    ? given
    : undefined;
}

export function roleArn(given: string): string | undefined {
  return /^arn:[a-z0-9-]+:iam::\d{12}:role\/[\x21-\x7e]{1,512}$/.test(given) ? given : undefined;
}

/** It becomes a path. */
export function transitKey(given: string): string | undefined {
  return /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)+[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(given) && given.length <= 256
    ? given
    : undefined;
}

export function vaultToken(given: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(given) ? given : undefined;
}

/** What a keeper needs, and has not. */
export function keeperProblems(kms: Readonly<Record<string, unknown>>): [keys: string[], problem: string][] {
  const problems: [string[], string][] = [];
  const has = (key: string) => kms[key] !== undefined;
  const apart = (first: string, second: string) => has(first) !== has(second);
  const together = "they belong together; give both or neither";
  if (kms.keeper === "aws" && !has("awsKey"))
    problems.push([["keeper", "awsKey"], "aws needs kms.awsKey, the key of KMS"]);
  if (kms.keeper === "vault" && !has("vaultUrl")) problems.push([["keeper", "vaultUrl"], "vault needs kms.vaultUrl"]);
  if (apart("vaultUrl", "vaultKey")) problems.push([["vaultUrl", "vaultKey"], together]);
  if (has("vaultUrl") && has("vaultToken") === has("vaultTokenFile")) {
    problems.push([["vaultToken", "vaultTokenFile"], "give one of them"]);
  }
  if (apart("awsAccessKeyId", "awsSecretAccessKey"))
    problems.push([["awsAccessKeyId", "awsSecretAccessKey"], together]);
  if (apart("awsRoleArn", "awsWebIdentityTokenFile"))
    problems.push([["awsRoleArn", "awsWebIdentityTokenFile"], together]);
  if (!has("awsKey")) return problems;
  if (!has("awsAccessKeyId") && !has("awsRoleArn") && !has("awsCredentialsUrl")) {
    const choice = ["awsAccessKeyId", "awsRoleArn", "awsCredentialsUrl"];
    problems.push([choice, "kms.awsKey needs one of them, for its credentials"]);
  }
  const isRegional = (key: string) => key.startsWith("arn:");
  if (!has("awsRegion") && !(kms.awsKey as string[]).every(isRegional)) {
    problems.push([["awsRegion"], "a key that is no ARN needs its region"]);
  }
  return problems;
}
