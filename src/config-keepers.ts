/** What may be said of a keeper of the master key that is elsewhere: AWS KMS or Vault. */

export const httpsUrl = Object.assign(
  (given: string): string | undefined => {
    if (!URL.canParse(given)) return undefined;
    const { protocol, hostname, pathname, search, hash, username, password, origin } = new URL(given);
    const isPlain = pathname === "/" && search + hash + username + password === "";
    // Keys and tokens go there.
    const isOwnMachine = hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
    return isPlain && (protocol === "https:" || (protocol === "http:" && isOwnMachine)) ? origin : undefined;
  },
  { allowed: "https://HOST with nothing behind the host; http:// on this machine only" },
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
  if (!has("awsAccessKeyId") && !has("awsRoleArn")) {
    const choice = ["awsAccessKeyId", "awsSecretAccessKey", "awsRoleArn", "awsWebIdentityTokenFile"];
    problems.push([
      choice,
      "kms.awsKey needs credentials: an access key with its secret, or a role with the file of a token",
    ]);
  }
  const isRegional = (key: string) => key.startsWith("arn:");
  if (!has("awsRegion") && !(kms.awsKey as string[]).every(isRegional)) {
    problems.push([["awsRegion"], "a key that is no ARN needs its region"]);
  }
  return problems;
}
