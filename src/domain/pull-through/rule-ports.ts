import type { Registry } from "../names.ts";
import type { PullThroughRule } from "./rules.ts";

/** What rules of pull-through caches need kept for them, in the transactions of everybody else. */
export interface PullThroughMetadata {
  readonly read: PullThroughNouns;
  transact<Result>(work: (nouns: PullThroughNouns) => Promise<Result>): Promise<Result>;
}

export interface PullThroughNouns {
  readonly pullThroughRules: PullThroughRules;
}

/** A registry has few: nobody asks for them by pages. */
export interface PullThroughRules {
  /** By prefix. */
  list(registry: Registry): Promise<PullThroughRule[]>;
  find(registry: Registry, prefix: string): Promise<PullThroughRule | undefined>;
  /** Answers whether there was none with its prefix. */
  create(rule: PullThroughRule): Promise<boolean>;
  /** The rule as it is, and others that want to change it wait for the end of this transaction. */
  lock(registry: Registry, prefix: string): Promise<PullThroughRule | undefined>;
  /** Credentials, role, options and time; the rest of a rule never changes. */
  update(rule: PullThroughRule): Promise<void>;
  delete(registry: Registry, prefix: string): Promise<void>;
}
