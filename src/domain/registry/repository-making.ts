import type { Caller, Granted } from "../access.ts";
import type { Registry, RepositoryName } from "../names.ts";
import type { Repository } from "./ports.ts";

/** Why a repository is made that nobody asked for by name (ECR API reference, RepositoryCreationTemplate.appliedFor). */
export const makingCauses = ["REPLICATION", "PULL_THROUGH_CACHE", "CREATE_ON_PUSH"] as const;
export type MakingCause = (typeof makingCauses)[number];

/** Makes repositories that a pull, a push or a replica needs, as creation templates say. */
export interface RepositoryMaking {
  /**
   * The repository, made if it is not there. `undefined` for a push where no template and no setting makes any.
   * @throws AccessDenied for a caller who may not create it, KeyUnusable, InvalidParameter for a template that cannot be followed
   */
  ensure(caller: Caller, registry: Registry, name: RepositoryName, cause: MakingCause): Promise<Ensured | undefined>;
}

export interface Ensured {
  readonly repository: Repository;
  /** The grant by which it was made just now: surfaces record that. */
  readonly made?: Granted;
}
