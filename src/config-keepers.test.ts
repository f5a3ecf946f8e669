import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, loadConfig } from "./config.ts";

type Env = Record<string, string>;

const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const aws = { BERTH_KMS_KEEPER: "aws", BERTH_KMS_AWS_KEY: key };
const pair = { AWS_ACCESS_KEY_ID: "AKIA", AWS_SECRET_ACCESS_KEY: "hunter2", AWS_SESSION_TOKEN: "hunter3" };
const workload = { AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/berth", AWS_WEB_IDENTITY_TOKEN_FILE: "/token" };
const vault = {
  BERTH_KMS_KEEPER: "vault",
  BERTH_KMS_VAULT_URL: "https://vault:8200",
  BERTH_KMS_VAULT_KEY: "transit/b",
};

const kmsOf = (env: Env) => loadConfig({ env, cwd: "/" }).kms;

function problemsOf(env: Env): string {
  try {
    loadConfig({ env, cwd: "/" });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "none";
}

test("without a word, the master key is local, and standard variables are for others", () => {
  const others = { ...pair, ...workload, AWS_REGION: "eu-west-1", VAULT_TOKEN: "hunter4" };
  expect(kmsOf(others)).toEqual({ keeper: "local" });
});

test("standard variables stand in for what nobody has said, a pair of keys before a role", () => {
  const plain = { keeper: "aws", awsKey: [key] } as const;
  const keys = { awsAccessKeyId: "AKIA", awsSecretAccessKey: "hunter2", awsSessionToken: "hunter3" };
  const role = { awsRoleArn: workload.AWS_ROLE_ARN, awsWebIdentityTokenFile: "/token" };
  expect(kmsOf({ ...aws, ...pair, ...workload })).toEqual({ ...plain, ...keys });
  expect(kmsOf({ ...aws, ...workload, AWS_DEFAULT_REGION: "eu-west-2" })).toEqual({
    ...plain,
    ...role,
    awsRegion: "eu-west-2" as never,
  });
  // A token of somebody else's pair would make this one useless.
  const own = { BERTH_KMS_AWS_ACCESS_KEY_ID: "OWN", BERTH_KMS_AWS_SECRET_ACCESS_KEY: "own" };
  expect(kmsOf({ ...aws, ...pair, ...own })).toEqual({ ...plain, awsAccessKeyId: "OWN", awsSecretAccessKey: "own" });
  const ownRole = { BERTH_KMS_AWS_ROLE_ARN: workload.AWS_ROLE_ARN, BERTH_KMS_AWS_WEB_IDENTITY_TOKEN_FILE: "/token" };
  expect(kmsOf({ ...aws, ...pair, ...ownRole })).toEqual({ ...plain, ...role });
});

test("a platform's own place for credentials comes last", () => {
  const ecs = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials/1" };
  const eks = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials",
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/token",
  };
  const plain = { keeper: "aws", awsKey: [key] } as const;
  expect(kmsOf({ ...aws, ...ecs })).toEqual({ ...plain, awsCredentialsUrl: "http://169.254.170.2/v2/credentials/1" });
  expect(kmsOf({ ...aws, ...eks })).toEqual({
    ...plain,
    awsCredentialsUrl: eks.AWS_CONTAINER_CREDENTIALS_FULL_URI,
    awsCredentialsTokenFile: "/token",
  });
  expect(kmsOf({ ...aws, ...eks, ...workload }).awsCredentialsUrl).toBeUndefined();
  expect(kmsOf({ ...aws, ...ecs, ...pair }).awsCredentialsUrl).toBeUndefined();
});

test("a file may name several keys as a list", () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-config-"));
  try {
    writeFileSync(
      join(folder, "berth.yaml"),
      "kms: { vaultUrl: https://v, vaultKey: [a/new, b/c/old], keeper: vault }",
    );
    const { kms } = loadConfig({ env: { VAULT_TOKEN: "t" }, cwd: folder });
    expect(kms).toEqual({ keeper: "vault", vaultUrl: "https://v", vaultKey: ["a/new", "b/c/old"], vaultToken: "t" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  "https://vault:8200",
  "https://vault:8200/",
  "http://127.0.0.1:8200",
  "http://localhost:8200",
  "http://[::1]:8200",
])("%s is an address of a keeper", (url) => {
  expect(kmsOf({ ...vault, BERTH_KMS_VAULT_URL: url, VAULT_TOKEN: "t" }).vaultUrl).toBe(url.replace(/\/$/, ""));
});

const urls = "allowed: https://HOST with nothing behind the host; http:// on this machine only";
const choice = "kms.awsAccessKeyId and kms.awsRoleArn and kms.awsCredentialsUrl";

test.each<[env: Env, message: string]>([
  [{ BERTH_KMS_KEEPER: "gcp" }, 'kms.keeper (BERTH_KMS_KEEPER): given "gcp"; allowed: one of local, aws, vault'],
  [{ BERTH_KMS_KEEPER: "aws" }, "kms.keeper and kms.awsKey (BERTH_KMS_KEEPER): aws needs kms.awsKey, the key of KMS"],
  [{ BERTH_KMS_KEEPER: "vault" }, "kms.keeper and kms.vaultUrl (BERTH_KMS_KEEPER): vault needs kms.vaultUrl"],
  [aws, `${choice}: kms.awsKey needs one of them, for its credentials`],
  [
    { ...aws, AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.169.254/x" },
    'kms.awsCredentialsUrl (AWS_CONTAINER_CREDENTIALS_FULL_URI): given "http://169.254.169.254/x"; allowed: https://…; http:// on this machine and at the addresses of ECS and EKS only',
  ],
  [
    { ...aws, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "@elsewhere/x" },
    'kms.awsCredentialsUrl (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI): given "http:…"; allowed: https://…; http:// on this machine and at the addresses of ECS and EKS only',
  ],
  [
    { ...aws, AWS_ACCESS_KEY_ID: "AKIA" },
    "kms.awsAccessKeyId and kms.awsSecretAccessKey (AWS_ACCESS_KEY_ID): they belong together; give both or neither",
  ],
  [
    { ...aws, AWS_ROLE_ARN: workload.AWS_ROLE_ARN },
    "kms.awsRoleArn and kms.awsWebIdentityTokenFile (AWS_ROLE_ARN): they belong together; give both or neither",
  ],
  [
    { ...aws, ...workload, AWS_ROLE_ARN: "berth" },
    'kms.awsRoleArn (AWS_ROLE_ARN): given "berth"; allowed: the ARN of a role',
  ],
  [{ ...aws, ...pair, BERTH_KMS_AWS_KEY: "alias/berth" }, "kms.awsRegion: a key that is no ARN needs its region"],
  [
    { ...aws, ...pair, BERTH_KMS_AWS_KEY: `${key},../x` },
    'kms.awsKey.1 (BERTH_KMS_AWS_KEY): given "../x"; allowed: ids, alias/NAMEs or ARNs of KMS keys, the one of today first',
  ],
  [
    { ...aws, ...pair, AWS_SECRET_ACCESS_KEY: "hunter2\n" },
    "kms.awsSecretAccessKey (AWS_SECRET_ACCESS_KEY): given a value that is not shown; allowed: a text without control characters",
  ],
  [
    { ...aws, ...pair, BERTH_KMS_AWS_URL: "http://kms.example.com" },
    `kms.awsUrl (BERTH_KMS_AWS_URL): given "http://kms.example.com"; ${urls}`,
  ],
  [vault, "kms.vaultToken and kms.vaultTokenFile: give one of them"],
  [
    { ...vault, BERTH_KMS_VAULT_TOKEN: "hunter2", BERTH_KMS_VAULT_TOKEN_FILE: "/token" },
    "kms.vaultToken and kms.vaultTokenFile (BERTH_KMS_VAULT_TOKEN, BERTH_KMS_VAULT_TOKEN_FILE): give one of them",
  ],
  [
    { ...vault, VAULT_TOKEN: "hunter 2" },
    "kms.vaultToken (VAULT_TOKEN): given a value that is not shown; allowed: a token without spaces",
  ],
  [
    { ...vault, VAULT_TOKEN: "t", BERTH_KMS_VAULT_KEY: "" },
    "kms.vaultUrl and kms.vaultKey (BERTH_KMS_VAULT_URL): they belong together; give both or neither",
  ],
  [
    { ...vault, VAULT_TOKEN: "t", BERTH_KMS_VAULT_KEY: "transit/../sys/b" },
    'kms.vaultKey.0 (BERTH_KMS_VAULT_KEY): given "transit/../sys/b"; allowed: MOUNT/KEY, such as transit/berth',
  ],
  [
    { ...vault, VAULT_TOKEN: "t", BERTH_KMS_VAULT_URL: "https://me:hunter2@vault" },
    `kms.vaultUrl (BERTH_KMS_VAULT_URL): given "https:…"; ${urls}`,
  ],
  [
    { ...vault, VAULT_TOKEN: "t", BERTH_KMS_VAULT_URL: "http://vault:8200" },
    `kms.vaultUrl (BERTH_KMS_VAULT_URL): given "http://vault:8200"; ${urls}`,
  ],
])("%j is refused", (env, message) => {
  expect(problemsOf(env)).toBe(message);
});
