import type { Registry } from "../names.ts";

/** What the audit trail needs kept for it. `storage/` keeps it beside the other ports, in the same database. */

export interface AuditMetadata {
  readonly read: AuditNouns;
  transact<Result>(
    work: (nouns: AuditNouns) => Promise<Result>,
    options?: { readonly durable?: boolean },
  ): Promise<Result>;
}

export interface AuditNouns {
  readonly audit: AuditEvents;
}

/** Who has a record: one account in one region. */
export interface Written extends Registry {
  /** When it happened. */
  readonly at: Date;
  /** The record as JSON: these bytes are what is hashed. */
  readonly record: string;
}

/** A link of the one chain that all records of a deployment hang on. */
export interface AuditEvent extends Written, Link {}

export interface Link {
  /** Counted from 1, without gaps. */
  readonly sequence: number;
  /** Of everything up to here. */
  readonly hash: Uint8Array;
}

/** Both ends of what is kept. */
export interface Ends {
  readonly newest: Link;
  /** The newest that retention has removed; sequence 0 while it has removed none. */
  readonly removed: Link;
}

/** Where a listing goes on: behind this record. */
export interface AuditPosition {
  readonly at: Date;
  readonly sequence: number;
}

export interface AuditEvents {
  ends(): Promise<Ends>;
  /** The same in a transaction, and others who ask for it wait for the end of this one. */
  lockEnds(): Promise<Ends>;
  /** Puts `events`, which go on from the newest, behind it. */
  append(events: readonly AuditEvent[]): Promise<void>;
  /** Newest first, from `from` to `until`, both inclusive. */
  list(
    registry: Registry,
    page: { readonly from: Date; readonly until: Date; readonly after?: AuditPosition; readonly limit: number },
  ): Promise<AuditEvent[]>;
  /** In the order of the chain. `after` is a sequence number. */
  chain(page: { readonly after: number; readonly limit: number }): Promise<AuditEvent[]>;
  /** The numbers, times and hashes of the oldest. */
  oldest(limit: number): Promise<(Link & { readonly at: Date })[]>;
  /** Removes everything up to `last`, which `ends` names from then on. */
  remove(last: Link): Promise<void>;
}
