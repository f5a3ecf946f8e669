/**
 * The names Berth trusts. Each is parsed once, at the edge, and carries its type from there on; a plain string never
 * becomes a path, a row key or an ARN. Parsers answer `undefined` for what is not such a name: the caller knows which
 * error its surface owes.
 */

declare const brand: unique symbol;
type Name<Kind extends string> = string & { readonly [brand]: Kind };

/** Twelve digits. Also a registry id. */
export type AccountId = Name<"AccountId">;
/** An AWS region, `us-east-1`. */
export type Region = Name<"Region">;
/** A repository name of 2 to 256 characters (ECR API reference, CreateRepository). */
export type RepositoryName = Name<"RepositoryName">;
/** An image tag (OCI distribution specification, "Pulling manifests"). */
export type Tag = Name<"Tag">;
/** `sha256:<64 hex>` or `sha512:<128 hex>`, lower case (OCI image specification, "Digests"). */
export type Digest = Name<"Digest">;
/** The id of an upload that a client sees: a lower-case UUID. */
export type UploadId = Name<"UploadId">;
export type Arn = Name<"Arn">;
/** The id of an encryption key: a lower-case UUID. */
export type KeyId = Name<"KeyId">;
/** `alias/` and a name (KMS API reference, CreateAlias). */
export type KeyAlias = Name<"KeyAlias">;

export type DigestAlgorithm = "sha256" | "sha512";

/** One account in one region: what ECR calls a registry. */
export interface Registry {
  readonly account: AccountId;
  readonly region: Region;
}

const hexLength: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 };

/** ECR's pattern; inside a segment one dot, one or two underscores, or any run of hyphens separates. */
export const repositoryNamePattern =
  "(?:[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*\\/)*[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const repositoryName = new RegExp(`^${repositoryNamePattern}$`);
const tag = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const region = /^[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}$/;

export function parseAccountId(text: string): AccountId | undefined {
  return /^[0-9]{12}$/.test(text) ? (text as AccountId) : undefined;
}

export function parseRegion(text: string): Region | undefined {
  return region.test(text) ? (text as Region) : undefined;
}

export function parseRepositoryName(text: string): RepositoryName | undefined {
  // The length comes first: the pattern is linear, but there is no reason to run it over a megabyte.
  return text.length >= 2 && text.length <= 256 && repositoryName.test(text) ? (text as RepositoryName) : undefined;
}

export function parseTag(text: string): Tag | undefined {
  return tag.test(text) ? (text as Tag) : undefined;
}

export function parseDigest(text: string): Digest | undefined {
  const colon = text.indexOf(":");
  const length = hexLength[text.slice(0, colon) as DigestAlgorithm];
  if (length === undefined || text.length !== colon + 1 + length) return undefined;
  return /^[a-f0-9]+$/.test(text.slice(colon + 1)) ? (text as Digest) : undefined;
}

export function parseUploadId(text: string): UploadId | undefined {
  return uuid.test(text) ? (text as UploadId) : undefined;
}

export function parseKeyId(text: string): KeyId | undefined {
  return uuid.test(text) ? (text as KeyId) : undefined;
}

export function parseKeyAlias(text: string): KeyAlias | undefined {
  return text.length <= 256 && /^alias\/[a-zA-Z0-9/_-]+$/.test(text) ? (text as KeyAlias) : undefined;
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** `hex` is the output of a hash function, so the result needs no check. */
export function digestOf(algorithm: DigestAlgorithm, hex: string): Digest {
  return `${algorithm}:${hex}` as Digest;
}

export function repositoryArn({ account, region }: Registry, name: RepositoryName | "*"): Arn {
  return `arn:aws:ecr:${region}:${account}:repository/${name}` as Arn;
}

/** All repositories under a namespace that was checked, as permissions name them; all of the registry without one. */
export function repositoriesArn(registry: Registry, namespace?: string): Arn {
  const all = repositoryArn(registry, "*");
  return namespace === undefined ? all : (all.replace("*", `${namespace}/*`) as Arn);
}

/** Paths begin and end with a slash. Root users have neither path nor name. */
export function iamArn(
  account: AccountId | "aws",
  kind: "user" | "group" | "role" | "policy",
  path: string,
  name: string,
): Arn {
  return `arn:aws:iam::${account}:${kind}${path}${name}` as Arn;
}

export function rootArn(account: AccountId): Arn {
  return `arn:aws:iam::${account}:root` as Arn;
}

/** The registry and repository that an ARN names, or `undefined` when it is not the ARN of a repository. */
export function parseRepositoryArn(text: string): { registry: Registry; name: RepositoryName } | undefined {
  const [arn, partition, service, regionText = "", accountText = "", ...rest] = text.split(":");
  if (arn !== "arn" || partition !== "aws" || service !== "ecr" || rest.length !== 1) return undefined;
  const [kind, ...segments] = (rest[0] ?? "").split("/");
  const account = parseAccountId(accountText);
  const region = parseRegion(regionText);
  const name = parseRepositoryName(segments.join("/"));
  if (kind !== "repository" || !account || !region || !name) return undefined;
  return { registry: { account, region }, name };
}

export function keyArn({ account, region }: Registry, id: KeyId): Arn {
  return `arn:aws:kms:${region}:${account}:key/${id}` as Arn;
}

export function keyAliasArn({ account, region }: Registry, alias: KeyAlias): Arn {
  return `arn:aws:kms:${region}:${account}:${alias}` as Arn;
}

/** What an ARN of KMS names, a key or an alias; `undefined` when it is not such an ARN. */
export function parseKeyArn(text: string): { registry: Registry; id?: KeyId; alias?: KeyAlias } | undefined {
  const [arn, partition, service, regionText = "", accountText = "", ...rest] = text.split(":");
  if (arn !== "arn" || partition !== "aws" || service !== "kms" || rest.length !== 1) return undefined;
  const [named = ""] = rest;
  const account = parseAccountId(accountText);
  const region = parseRegion(regionText);
  const id = named.startsWith("key/") ? parseKeyId(named.slice("key/".length)) : undefined;
  const alias = parseKeyAlias(named);
  if (!account || !region || (!id && !alias)) return undefined;
  return { registry: { account, region }, id, alias };
}
