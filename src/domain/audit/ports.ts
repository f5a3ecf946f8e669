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
  readonly audit: AuditPacks;
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

/** Records that follow each other in the chain and have one owner, as they are kept: a row for each would be dear. */
export interface AuditPack extends Registry {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** The earliest and the latest of its records, which need not be the first and the last. */
  readonly firstAt: Date;
  readonly lastAt: Date;
  /** Of each record, one behind the other. */
  readonly hashes: Uint8Array;
  readonly packed: Uint8Array;
}

/** At the most from the earliest to the latest record of a pack, so that a time is looked for in few packs. */
export const packSpanMs = 5_000;

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

export interface AuditPacks {
  ends(): Promise<Ends>;
  /** The same in a transaction, and others who ask for it wait for the end of this one. */
  lockEnds(): Promise<Ends>;
  /** Puts `packs`, which go on from the newest, behind it. */
  append(packs: readonly AuditPack[]): Promise<void>;
  /**
   * Those that may have records from `from` to `until`, both inclusive; by the time of their latest record, newest
   * first. Packs of several processes overlap in time. `behind` is where the listing goes on.
   */
  list(
    registry: Registry,
    page: {
      readonly from: Date;
      readonly until: Date;
      readonly behind?: Pick<AuditPack, "lastAt" | "lastSequence">;
      readonly limit: number;
    },
  ): Promise<AuditPack[]>;
  /** In the order of the chain, those that end behind the sequence number `after`. */
  chain(page: { readonly after: number; readonly limit: number }): Promise<AuditPack[]>;
  /** The oldest, without their records. */
  oldest(limit: number): Promise<Omit<AuditPack, "packed">[]>;
  /** Removes all packs up to the one that ends with `last`, which `ends` names from then on. */
  remove(last: Link): Promise<void>;
}
