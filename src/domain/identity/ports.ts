import type { AccountId, Arn, Region } from "../names.ts";

/**
 * What identity needs kept for it. `storage/` keeps these ports beside those of the registry, in the same transactions.
 * Times are `Date`; ids that are numbers are the database's and never leave the process.
 */

export interface IdentityMetadata {
  readonly read: IdentityNouns;
  transact<Result>(
    work: (nouns: IdentityNouns) => Promise<Result>,
    options?: { readonly durable?: boolean },
  ): Promise<Result>;
}

export interface IdentityNouns {
  readonly accounts: Accounts;
  readonly identities: Identities;
  readonly accessKeys: AccessKeys;
  readonly managedPolicies: ManagedPolicies;
  readonly oidcProviders: OidcProviders;
  readonly organizations: Organizations;
}

/** `after` is the last key of the page before; absent for the first. */
export interface Paged<Key> {
  readonly after?: Key;
  readonly limit: number;
}

export type Tags = ReadonlyMap<string, string>;

// ── Accounts ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Account {
  readonly id: AccountId;
  readonly name: string;
  readonly email: string;
  readonly status: "ACTIVE" | "SUSPENDED";
  readonly createdAt: Date;
  /** The alias that `ListAccountAliases` shows. */
  readonly alias?: string;
  /** The root user's key pair, for accounts whose pair is not in the configuration: the secret is sealed. */
  readonly rootKeyId?: string;
  readonly rootSealedSecret?: string;
  /** The organization's root or unit that the account hangs on. Absent outside of an organization. */
  readonly parentId?: string;
}

export interface Accounts {
  find(id: AccountId): Promise<Account | undefined>;
  /** The account whose root user has the key. */
  ofRootKey(accessKeyId: string): Promise<Account | undefined>;
  /** By id. */
  list(page: Paged<AccountId>): Promise<Account[]>;
  /** By id: the accounts that hang directly on the node. */
  childrenOf(parentId: string, page: Paged<AccountId>): Promise<Account[]>;
  /** Answers whether it is new. An account that is there stays as it is. */
  create(account: Account): Promise<boolean>;
  /** Absent members stay; `undefined` as a value removes what may be absent. Answers whether the account is there. */
  update(id: AccountId, changes: Partial<Omit<Account, "id" | "createdAt" | "alias">>): Promise<boolean>;
  /** Takes the account's alias away where none is given. Answers `false` when another account has it. */
  setAlias(id: AccountId, alias: string | undefined): Promise<boolean>;
}

// ── Users, groups and roles ─────────────────────────────────────────────────────────────────────────────────────────

export type IdentityKind = "user" | "group" | "role";

export interface Identity {
  readonly id: number;
  readonly account: AccountId;
  readonly kind: IdentityKind;
  /** `/` or `/a/b/`. */
  readonly path: string;
  /** Unique in account and kind, whatever its case. */
  readonly name: string;
  /** `AIDA…`, `AGPA…` or `AROA…`: never given again, so that a re-created user is another one. */
  readonly uniqueId: string;
  readonly createdAt: Date;
  readonly description?: string;
  /** The ARN of the managed policy that is its permissions boundary. */
  readonly boundary?: Arn;
  readonly tags: Tags;
  /** Roles only: who may assume it, as it was sent. */
  readonly trustPolicy?: string;
  /** Which users and roles the trust policy's ARNs meant when it was written: ARN to unique id. */
  readonly trustBindings?: ReadonlyMap<string, string>;
  readonly maxSessionSeconds?: number;
  readonly lastUsedAt?: Date;
  readonly lastUsedRegion?: Region;
}

/** What a decision about a user or role needs, in one look. */
export interface IdentityWithPolicies {
  readonly identity: Identity;
  /** Its own inline policies. */
  readonly inline: readonly NamedDocument[];
  /** Managed policies that are attached to it. AWS-managed ones have no document here: the program knows them. */
  readonly attached: readonly ManagedDocument[];
  /** Users only: the policies of the groups. */
  readonly groups: readonly {
    readonly group: Identity;
    readonly inline: readonly NamedDocument[];
    readonly attached: readonly ManagedDocument[];
  }[];
  /** The default version of the permissions boundary; its `document` is absent when it is AWS-managed or gone. */
  readonly boundary?: ManagedDocument;
}

export interface NamedDocument {
  readonly name: string;
  readonly document: string;
}

export interface ManagedDocument {
  readonly arn: Arn;
  /** The default version. Absent for AWS-managed policies. */
  readonly document?: string;
}

export interface Identities {
  find(account: AccountId, kind: IdentityKind, name: string): Promise<Identity | undefined>;
  ofUniqueId(uniqueId: string): Promise<Identity | undefined>;
  withPolicies(uniqueId: string): Promise<IdentityWithPolicies | undefined>;
  /**
   * Inside a transaction: as it is now, and others that lock it wait for the end. For whoever changes what it read, such
   * as tags, or counts what the identity has.
   */
  lock(id: number): Promise<Identity | undefined>;
  /** By lower-case name; only those whose path begins with `pathPrefix`. `after` is a lower-case name. */
  list(
    account: AccountId,
    kind: IdentityKind,
    page: Paged<string> & { readonly pathPrefix?: string },
  ): Promise<Identity[]>;
  count(account: AccountId, kind: IdentityKind): Promise<number>;
  /**
   * `undefined` when the name is taken. A boundary stays as long as somebody has it.
   * @throws NoSuchEntity when the boundary is a policy of an account, and is not there
   */
  create(identity: Omit<Identity, "id">): Promise<Identity | undefined>;
  /**
   * Absent members stay; `undefined` as a value removes. Answers `false` when a new name is taken.
   * @throws NoSuchEntity as `create`
   */
  update(
    id: number,
    changes: Partial<Omit<Identity, "id" | "account" | "kind" | "uniqueId" | "createdAt">>,
  ): Promise<boolean>;
  /** Also its memberships, inline policies and attachments. Fails while it has access keys: delete those before. */
  delete(id: number): Promise<void>;
  /** When and where users and roles made their last request. Batches; never moves a time back. */
  used(times: ReadonlyMap<string, { readonly at: Date; readonly region: Region }>): Promise<void>;

  /** Adds the user to the group; safe to repeat. */
  join(groupId: number, userId: number): Promise<void>;
  /** Answers whether the user was a member. */
  leave(groupId: number, userId: number): Promise<boolean>;
  /** By lower-case name. */
  membersOf(groupId: number, page: Paged<string>): Promise<Identity[]>;
  /** By lower-case name. */
  groupsOf(userId: number, page: Paged<string>): Promise<Identity[]>;

  inlinePolicy(id: number, name: string): Promise<string | undefined>;
  /** By name. */
  inlinePolicyNames(id: number, page: Paged<string>): Promise<string[]>;
  inlinePolicies(id: number): Promise<NamedDocument[]>;
  /** Creates or replaces. */
  putInlinePolicy(id: number, name: string, document: string): Promise<void>;
  /** Answers whether it was there. */
  deleteInlinePolicy(id: number, name: string): Promise<boolean>;

  /** ARNs, ascending. */
  attached(id: number, page: Paged<string>): Promise<Arn[]>;
  /**
   * Answers whether it is new. The policy stays as long as it is attached.
   * @throws NoSuchEntity when it is a policy of an account, and is not there
   */
  attach(id: number, policy: Arn): Promise<boolean>;
  /** Answers whether it was attached. */
  detach(id: number, policy: Arn): Promise<boolean>;
  /** In the account, by id. `usage` tells attachments and boundaries apart. */
  attachedTo(
    account: AccountId,
    policy: Arn,
    usage: "permissions" | "boundary",
    page: Paged<number>,
  ): Promise<Identity[]>;
  countAttached(policy: Arn, usage: "permissions" | "boundary", account: AccountId): Promise<number>;
}

// ── Access keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

export interface AccessKey {
  readonly accessKeyId: string;
  readonly account: AccountId;
  /** The user it belongs to. */
  readonly identityId: number;
  /** The secret, which only a holder of the sealing key can read. */
  readonly sealedSecret: string;
  readonly status: "Active" | "Inactive";
  readonly createdAt: Date;
  readonly lastUsed?: KeyUse;
}

export interface KeyUse {
  readonly at: Date;
  readonly service: string;
  readonly region: string;
}

export interface AccessKeys {
  find(accessKeyId: string): Promise<AccessKey | undefined>;
  /** With its user, in one look. */
  findWithUser(accessKeyId: string): Promise<{ readonly key: AccessKey; readonly user: Identity } | undefined>;
  /** Oldest first. */
  ofUser(identityId: number): Promise<AccessKey[]>;
  create(key: AccessKey): Promise<void>;
  setStatus(accessKeyId: string, status: AccessKey["status"]): Promise<void>;
  /** Answers whether it was there. */
  delete(accessKeyId: string): Promise<boolean>;
  /** Never moves a time back. Keys that are gone are passed over. */
  used(uses: ReadonlyMap<string, KeyUse>): Promise<void>;
}

// ── Managed policies ────────────────────────────────────────────────────────────────────────────────────────────────

export interface ManagedPolicy {
  readonly id: number;
  readonly account: AccountId;
  readonly arn: Arn;
  readonly path: string;
  /** Unique in the account, whatever its case. */
  readonly name: string;
  /** `ANPA…` */
  readonly uniqueId: string;
  readonly description?: string;
  /** `v1`: the version that counts. */
  readonly defaultVersion: string;
  /** The number of the next version; numbers are never given twice. */
  readonly nextVersion: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly tags: Tags;
}

export interface PolicyVersion {
  readonly version: string;
  readonly document: string;
  readonly createdAt: Date;
}

export interface ManagedPolicies {
  find(arn: Arn): Promise<ManagedPolicy | undefined>;
  /** By lower-case name. */
  list(
    account: AccountId,
    page: Paged<string> & { readonly pathPrefix?: string; readonly onlyAttached?: boolean },
  ): Promise<ManagedPolicy[]>;
  count(account: AccountId): Promise<number>;
  /** `undefined` when the name is taken. */
  create(policy: Omit<ManagedPolicy, "id">, first: PolicyVersion): Promise<ManagedPolicy | undefined>;
  update(
    id: number,
    changes: Partial<Pick<ManagedPolicy, "defaultVersion" | "nextVersion" | "updatedAt" | "tags">>,
  ): Promise<void>;
  /** With its versions. Fails while it is attached or a boundary. */
  delete(id: number): Promise<void>;
  version(id: number, version: string): Promise<PolicyVersion | undefined>;
  /** Newest first. */
  versions(id: number): Promise<PolicyVersion[]>;
  addVersion(id: number, version: PolicyVersion): Promise<void>;
  deleteVersion(id: number, version: string): Promise<boolean>;
}

// ── OIDC providers ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface OidcProvider {
  readonly account: AccountId;
  readonly arn: Arn;
  /** The issuer without `https://`, as in the ARN. */
  readonly url: string;
  readonly clientIds: readonly string[];
  readonly thumbprints: readonly string[];
  readonly createdAt: Date;
  readonly tags: Tags;
}

export interface OidcProviders {
  find(arn: Arn): Promise<OidcProvider | undefined>;
  list(account: AccountId): Promise<OidcProvider[]>;
  /** Answers whether it is new. */
  create(provider: OidcProvider): Promise<boolean>;
  update(arn: Arn, changes: Partial<Pick<OidcProvider, "clientIds" | "thumbprints" | "tags">>): Promise<void>;
  /** Answers whether it was there. */
  delete(arn: Arn): Promise<boolean>;
}

// ── The organization ────────────────────────────────────────────────────────────────────────────────────────────────

export type OrganizationPolicyType = "SERVICE_CONTROL_POLICY" | "RESOURCE_CONTROL_POLICY";

export interface Organization {
  /** `o-…` */
  readonly id: string;
  /** `r-…` */
  readonly rootId: string;
  readonly managementAccount: AccountId;
  readonly createdAt: Date;
  readonly policyTypes: readonly OrganizationPolicyType[];
}

export interface OrganizationalUnit {
  /** `ou-…` */
  readonly id: string;
  readonly parentId: string;
  readonly name: string;
}

export interface OrganizationPolicy {
  /** `p-…` */
  readonly id: string;
  readonly type: OrganizationPolicyType;
  readonly name: string;
  readonly description: string;
  readonly document: string;
}

export interface Organizations {
  /** A deployment has one at the most. */
  get(): Promise<Organization | undefined>;
  /** Answers whether it is the first. */
  create(organization: Organization): Promise<boolean>;
  /** With its units, policies and what they hang on. */
  delete(): Promise<void>;
  setPolicyTypes(types: readonly OrganizationPolicyType[]): Promise<void>;
  unit(id: string): Promise<OrganizationalUnit | undefined>;
  unitsIn(parentId: string): Promise<OrganizationalUnit[]>;
  putUnit(unit: OrganizationalUnit): Promise<void>;
  deleteUnit(id: string): Promise<void>;
  policy(id: string): Promise<OrganizationPolicy | undefined>;
  policies(type: OrganizationPolicyType): Promise<OrganizationPolicy[]>;
  putPolicy(policy: OrganizationPolicy): Promise<void>;
  deletePolicy(id: string): Promise<void>;
  /** Policies on a root, unit or account. */
  attached(targetId: string): Promise<OrganizationPolicy[]>;
  targetsOf(policyId: string): Promise<string[]>;
  /** Answers whether it is new. */
  attach(policyId: string, targetId: string): Promise<boolean>;
  detach(policyId: string, targetId: string): Promise<boolean>;
}
