import { repositoryNamePattern } from "../../domain/names.ts";
import { RemoteFailure, type RemoteReference } from "../../domain/registry/remote-registry.ts";

/** Names of other registries may be shorter than ours. */
const repositoryName = new RegExp(`^${repositoryNamePattern}$`);
const maxNameLength = 256;

/** @throws RemoteFailure for what no registry takes: it would lead to another path */
export function pathOf(repository: string, rest: string): string {
  return `/v2/${checkedName(repository)}/${rest}`;
}

export function checkedName(repository: string): string {
  if (repository.length <= maxNameLength && repositoryName.test(repository)) return repository;
  throw new RemoteFailure("refused", "that is no name of a repository");
}

export const manifestPath = (repository: string, reference: RemoteReference) =>
  pathOf(
    repository,
    `manifests/${encodeURIComponent("tag" in reference ? reference.tag : reference.digest)}`.replace("%3A", ":"),
  );

export const pullScope = (repository: string) => `repository:${repository}:pull`;
export const pushScope = (repository: string) => `repository:${repository}:pull,push`;
export const deleteScope = (repository: string) => `repository:${repository}:delete,pull`;
export const catalogScope = "registry:catalog:*";
