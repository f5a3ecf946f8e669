import { existsSync } from "node:fs";
import type { Config } from "./config.ts";
import { joinKeepers, type KeeperKind, type Keepers, notConfigured } from "./domain/keys/keepers.ts";
import type { KeyWrapper } from "./domain/keys/ports.ts";
import { createKeyWrapper } from "./domain/keys/wrapping.ts";
import type { AwsCredentials } from "./remotes/aws-credentials.ts";
import { type MasterKeySource, openMasterKeys, ownMasterKeyFile } from "./storage/master-key.ts";

const clock = () => new Date();

/**
 * The configured keeper of the master key, and beside it whatever other is configured, for what that one has wrapped. What
 * is not configured is not loaded.
 * @param needed those that have wrapped something
 * @throws KeyFileUnusable, KeeperFailed
 */
export async function openKeepers(
  kms: Config["kms"],
  source: MasterKeySource,
  needed: ReadonlySet<KeeperKind>,
): Promise<KeyWrapper> {
  const [local, aws, vault] = await Promise.all([openLocal(kms, source), openAws(kms), openVault(kms)]);
  const keepers: Keepers = { local, aws, vault };
  const current = keepers[kms.keeper];
  if (!current) throw new Error(`the keeper ${kms.keeper} is configured without what it needs`);
  const missing = [...needed].find((kind) => !keepers[kind]);
  if (missing) throw notConfigured("the database has keys that are", missing);
  return joinKeepers(current, keepers);
}

/** Where another keeper wraps, no key is made that nobody needs. */
async function openLocal({ keeper }: Config["kms"], source: MasterKeySource): Promise<KeyWrapper | undefined> {
  const file = ownMasterKeyFile(source);
  if (keeper !== "local" && file !== undefined && !existsSync(file)) return undefined;
  return createKeyWrapper(await openMasterKeys(source));
}

async function openAws(kms: Config["kms"]): Promise<KeyWrapper | undefined> {
  const { awsKey: keys, awsRegion: region, awsUrl: endpoint, awsStsUrl: stsEndpoint, awsAuthority } = kms;
  const credentials = awsCredentials(kms);
  if (!keys || !credentials) return undefined;
  const { createAwsKms } = await import("./remotes/aws-kms.ts");
  return createAwsKms({ keys, region, endpoint, stsEndpoint, authority: awsAuthority, credentials, clock });
}

function awsCredentials(kms: Config["kms"]): AwsCredentials | undefined {
  const { awsAccessKeyId: accessKeyId, awsSecretAccessKey: secretAccessKey, awsSessionToken: sessionToken } = kms;
  const { awsRoleArn: roleArn, awsWebIdentityTokenFile: tokenFile } = kms;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey, sessionToken };
  if (roleArn !== undefined && tokenFile !== undefined) return { roleArn, tokenFile };
  const { awsCredentialsUrl: url, awsCredentialsTokenFile } = kms;
  return url === undefined ? undefined : { url, tokenFile: awsCredentialsTokenFile };
}

async function openVault(kms: Config["kms"]): Promise<KeyWrapper | undefined> {
  const { vaultUrl: url, vaultKey: keys, vaultNamespace: namespace, vaultAuthority: authority } = kms;
  const { vaultToken: given, vaultTokenFile: file } = kms;
  const token = given !== undefined ? { given } : file !== undefined ? { file } : undefined;
  if (url === undefined || !keys || !token) return undefined;
  const { createVaultTransit } = await import("./remotes/vault-transit.ts");
  return createVaultTransit({ url, keys, token, namespace, authority, clock });
}
