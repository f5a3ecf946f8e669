import type { Registry } from "../names.ts";

/** What secrets need kept for them, in the transactions of everybody else. Values come sealed, and are kept so. */
export interface SecretMetadata {
  readonly read: SecretNouns;
  transact<Result>(work: (nouns: SecretNouns) => Promise<Result>): Promise<Result>;
}

export interface SecretNouns {
  readonly secrets: Secrets;
}

/** Everything of a secret but its values. */
export interface Secret {
  readonly id: number;
  readonly registry: Registry;
  readonly name: string;
  /** Six random characters behind the name in its ARN: another secret of the same name has others. */
  readonly suffix: string;
  readonly description?: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly createdAt: Date;
  readonly changedAt: Date;
  /** When it goes for good. Absent for one that nobody has deleted. */
  readonly deletionAt?: Date;
}

/** A value that a secret has, or had. */
export interface SecretVersion {
  readonly id: string;
  /** `AWSCURRENT` and the like. One that has none is of use to nobody any more. */
  readonly stages: readonly string[];
  readonly createdAt: Date;
}

export interface SealedVersion extends SecretVersion {
  readonly kind: "string" | "binary";
  readonly sealed: Uint8Array;
}

export interface Secrets {
  find(registry: Registry, name: string): Promise<Secret | undefined>;
  /** All of a registry, by name. */
  list(registry: Registry): Promise<Secret[]>;
  count(registry: Registry): Promise<number>;
  /** `undefined` where there is one of that name. */
  create(secret: Omit<Secret, "id">): Promise<Secret | undefined>;
  /** The secret as it is, and others that want to change it wait for the end of this transaction. */
  lock(registry: Registry, name: string): Promise<Secret | undefined>;
  /** Description, tags and times. */
  update(secret: Secret): Promise<void>;
  /** With all its values. */
  delete(id: number): Promise<void>;
  /** Newest first, without what they hold; of many secrets, by secret. */
  versions(ids: readonly number[]): Promise<ReadonlyMap<number, readonly SecretVersion[]>>;
  version(id: number, version: string): Promise<SealedVersion | undefined>;
  addVersion(id: number, version: SealedVersion): Promise<void>;
  setStages(id: number, version: string, stages: readonly string[]): Promise<void>;
  removeVersion(id: number, version: string): Promise<void>;
  /** Some of those whose time has come. */
  due(now: Date, limit: number): Promise<Secret[]>;
}

/** Seals values so that only this deployment can read them, and only as what they are. */
export interface SecretSealer {
  seal(value: Uint8Array, of: SealedName): Promise<Uint8Array>;
  /** @throws SecretUnreadable for what was changed, moved, or sealed by a key that is gone */
  open(sealed: Uint8Array, of: SealedName): Promise<Uint8Array>;
}

/** What a sealed value belongs to; it opens for nothing else. */
export interface SealedName {
  readonly arn: string;
  readonly version: string;
  readonly kind: "string" | "binary";
}
