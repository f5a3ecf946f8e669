import type { AccountId, Arn, KeyAlias, KeyId, Registry } from "../names.ts";

/**
 * What keys need kept for them. `storage/` keeps these ports beside those of the registry and of identity, in the same
 * transactions. Nothing here is of use without the master key.
 */

export interface KeyMetadata {
  readonly read: KeyNouns;
  transact<Result>(
    work: (nouns: KeyNouns) => Promise<Result>,
    options?: { readonly durable?: boolean },
  ): Promise<Result>;
}

export interface KeyNouns {
  readonly keys: Keys;
  readonly keyAliases: KeyAliases;
  readonly keyGrants: KeyGrants;
}

/** `after` is the last key of the page before; absent for the first. */
export interface Paged<Key> {
  readonly after?: Key;
  readonly limit: number;
}

export type KeyState = "Enabled" | "Disabled" | "PendingDeletion";

export interface Key {
  readonly id: KeyId;
  readonly registry: Registry;
  /** Whether users manage it, it was made for a service on first use, or it is the server's own (server-key.ts). */
  readonly manager: "AWS" | "CUSTOMER" | "BERTH";
  readonly state: KeyState;
  readonly description: string;
  readonly policy: string;
  /** Which users and roles the policy's ARNs meant when it was written. */
  readonly policyBindings: ReadonlyMap<string, string>;
  readonly tags: ReadonlyMap<string, string>;
  readonly createdAt: Date;
  /** The material that encrypts; older ones decrypt. */
  readonly version: number;
  /** Present where it rotates by itself. */
  readonly rotation?: { readonly periodDays: number; readonly nextAt: Date };
  /** When it is pending deletion. */
  readonly deletionAt?: Date;
  readonly deletionWindowDays?: number;
}

export interface KeyMaterial {
  readonly version: number;
  /** Sealed by the master key. */
  readonly wrapped: Uint8Array;
  readonly createdAt: Date;
  /** What made it. Absent for the first. */
  readonly rotation?: "AUTOMATIC" | "ON_DEMAND";
}

export interface Keys {
  find(id: KeyId): Promise<Key | undefined>;
  /** By id. */
  list(registry: Registry, page: Paged<KeyId>): Promise<Key[]>;
  count(registry: Registry): Promise<number>;
  /** Answers whether there was no such key. */
  create(key: Key, material: KeyMaterial): Promise<boolean>;
  /** The key as it is, and others that want to change it wait for the end of this transaction. */
  lock(id: KeyId): Promise<Key | undefined>;
  update(key: Key): Promise<void>;
  /** With materials, aliases and grants: nothing that it encrypted can be read again. */
  destroy(id: KeyId): Promise<void>;
  material(id: KeyId, version: number): Promise<KeyMaterial | undefined>;
  /** Oldest first. */
  materials(id: KeyId): Promise<KeyMaterial[]>;
  addMaterial(id: KeyId, material: KeyMaterial): Promise<void>;
  /** All there are, page by page, for whoever wraps them anew. */
  allMaterials(page: Paged<MaterialName>): Promise<(KeyMaterial & { readonly id: KeyId })[]>;
  /** Only if it is still wrapped as `before` says. */
  rewrap(name: MaterialName, before: Uint8Array, wrapped: Uint8Array): Promise<void>;
  /** Keys whose time of deletion, or of rotation, has come. */
  due(now: Date, limit: number): Promise<Key[]>;
}

export interface MaterialName {
  readonly id: KeyId;
  readonly version: number;
}

export interface StoredAlias {
  readonly registry: Registry;
  readonly name: KeyAlias;
  readonly keyId: KeyId;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface KeyAliases {
  find(registry: Registry, name: KeyAlias): Promise<StoredAlias | undefined>;
  /** By name, of all keys or of one. */
  list(registry: Registry, page: Paged<KeyAlias>, keyId?: KeyId): Promise<StoredAlias[]>;
  /** Answers whether it is new. One that is there stays as it is. */
  create(alias: StoredAlias): Promise<boolean>;
  /** Answers whether it is there. */
  update(registry: Registry, name: KeyAlias, keyId: KeyId, at: Date): Promise<boolean>;
  /** Answers whether it was there. */
  delete(registry: Registry, name: KeyAlias): Promise<boolean>;
}

/** What a grant can allow (KMS API reference, CreateGrant), as far as there are such operations here. */
export const grantOperations = [
  "Decrypt",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
  "ReEncryptFrom",
  "ReEncryptTo",
  "CreateGrant",
  "RetireGrant",
  "DescribeKey",
] as const;
export type GrantOperation = (typeof grantOperations)[number];

/** Whom a grant means. */
export interface GrantPrincipal {
  /** An ARN, an account id, or the host name of a service. */
  readonly name: string;
  /** The unique id of a user or role; else the name. */
  readonly id: string;
}

export interface Grant {
  readonly id: string;
  readonly keyId: KeyId;
  readonly grantee: GrantPrincipal;
  readonly retiring?: GrantPrincipal;
  readonly operations: readonly GrantOperation[];
  readonly constraint?: GrantConstraint;
  readonly name?: string;
  /** The account whose principal made it. */
  readonly issuer: AccountId;
  readonly createdAt: Date;
}

export interface GrantConstraint {
  /** Whether the encryption context has to be just this, or has to have this in it. */
  readonly kind: "equals" | "subset";
  readonly context: ReadonlyMap<string, string>;
}

export interface KeyGrants {
  find(keyId: KeyId, id: string): Promise<Grant | undefined>;
  /** By id. */
  list(
    keyId: KeyId,
    page: Paged<string>,
    filter?: { readonly id?: string; readonly grantee?: string },
  ): Promise<Grant[]>;
  /** Those that mean one of `principals`, as grantee or to retire them. */
  of(keyId: KeyId, principals: readonly string[]): Promise<Grant[]>;
  /** Those to `grantee` that are constrained to just this context, and those that are to none; at most `limit` of each. */
  within(keyId: KeyId, grantee: string, context: ReadonlyMap<string, string>, limit: number): Promise<Grant[]>;
  /** By id: those that one of `principals` may retire. */
  retirableBy(principals: readonly string[], page: Paged<string>): Promise<Grant[]>;
  count(keyId: KeyId): Promise<number>;
  create(grant: Grant): Promise<void>;
  /** Answers whether it was there. */
  delete(keyId: KeyId, id: string): Promise<boolean>;
}

/**
 * Who holds the master key: a file, or a service elsewhere that never shows it. What it makes is of use to it alone, and
 * only together with the same `name`.
 */
export interface KeyWrapper {
  wrap(material: Uint8Array, name: Arn, version: number): Promise<Uint8Array>;
  /** @throws where the master key is not there, or was not the one */
  unwrap(wrapped: Uint8Array, name: Arn, version: number): Promise<Uint8Array>;
  /** Whether the master key of today did it. */
  isCurrent(wrapped: Uint8Array): Promise<boolean>;
}
