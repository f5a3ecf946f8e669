import type { Granted } from "../access.ts";
import type { RepositoryName } from "../names.ts";
import type { Encryption, Nouns, Repository } from "./ports.ts";

/** How whoever makes a repository wants it sealed. */
export interface WantedEncryption {
  readonly type: "KMS" | "KMS_DSSE";
  /** The key's id or alias, or the ARN of either. Left out: the key that the registry has of its own. */
  readonly key?: string;
}

export type SealedRepository = Pick<Repository, "registry" | "name" | "encryption">;

/**
 * The keys that repositories are sealed by. Asked before content is taken or given, so that a key which is disabled, or does
 * not let the registry use it for this repository any more, stops the repository, whatever of it is in somebody's memory.
 * Costs nothing for a repository that the server's own key seals.
 */
export interface RepositoryKeys<All extends Nouns = Nouns> {
  /** @throws KeyUnusable */
  mayPush(repository: SealedRepository): Promise<void>;
  /** @throws KeyUnusable */
  mayPull(repository: SealedRepository): Promise<void>;
  /** The key of a repository that is about to be made. @throws KeyUnusable, also where the caller may not have it used */
  choose(granted: Granted, name: RepositoryName, wanted: WantedEncryption): Promise<ChosenKey<All>>;
  /** Gives back what a deleted repository had of its key, as far as the caller may. It is deleted all the same. */
  release(granted: Granted, repository: SealedRepository): Promise<void>;
}

export interface ChosenKey<All extends Nouns> {
  readonly encryption: Encryption;
  /** Lets the registry use the key, in the transaction that makes the repository. @throws KeyUnusable */
  keep(nouns: All): Promise<void>;
  /** The transaction is done. */
  kept(): void;
}
