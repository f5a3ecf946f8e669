import type { ClientConfig, CopyConfig } from "../../client-config.ts";
import type { Remotes } from "../../remotes/registry/index.ts";
import { CallFailed } from "../api/client.ts";
import { isAmong, registryHosts } from "../api/hosts.ts";
import { CommandFailed } from "../failure.ts";
import { awsEcr, withProfile } from "./credentials.ts";
import { type EcrApi, openEcrApi } from "./ecr-api.ts";
import { openDestination } from "./open.ts";
import type { Destination } from "./places.ts";

export interface BerthOptions {
  readonly client: ClientConfig;
  readonly environment: CopyConfig;
  readonly remotes: Remotes;
  readonly ca?: string;
  /** Before each repository's name, "" for none. */
  readonly prefix: string;
  /** What each repository that has to be made is like, beside its name. */
  readonly settings: (repository: string) => object;
}

export interface BerthDestination extends Destination {
  readonly api: EcrApi;
  /** @returns whether it was made now */
  ensure(repository: string): Promise<boolean>;
}

/** The Berth that the AWS variables name. Repositories are made over its API, since a push alone need not make them. */
export async function openBerth(options: BerthOptions): Promise<BerthDestination> {
  const { client, environment, remotes, settings } = options;
  const api = await openEcrApi(client, "the Berth to import into");
  const { host, protocol } = api.endpoint;
  const made = new Map<string, Promise<boolean>>();

  function ensure(repository: string): Promise<boolean> {
    const known = made.get(repository);
    if (known) return known;
    const asked = createUnlessThere(api, { repositoryName: repository, ...settings(repository) });
    made.set(repository, asked);
    asked.catch(() => made.delete(repository));
    return asked;
  }

  const destination = await openDestination(
    { kind: "docker", host, shownHost: host, repository: options.prefix },
    {
      side: "dest",
      client,
      environment,
      remotes,
      ca: options.ca ?? client.authorityFile,
      insecure: protocol === "http:",
      fullName: () => undefined,
      make: async (repository) => void (await ensure(repository)),
    },
  );
  return { ...destination, api, ensure };
}

/**
 * Makes repositories of a registry that has the API of ECR: of AWS, or of the Berth that the AWS variables name.
 * @throws CommandFailed for another one
 */
export async function repositoryMaker(host: string, client: ClientConfig, profile: string | undefined) {
  const config = isAmong(registryHosts(client), host) ? client : awsEcr(host, client);
  if (!config) {
    throw new CommandFailed(`--create-repositories: ${host} is neither ECR nor the Berth that AWS_ENDPOINT_URL names`);
  }
  const api = await openEcrApi(withProfile(config, profile), host);
  return async (repositoryName: string) => void (await createUnlessThere(api, { repositoryName }));
}

async function createUnlessThere(api: EcrApi, input: object): Promise<boolean> {
  try {
    await api.ask("CreateRepository", input);
    return true;
  } catch (error) {
    if (error instanceof CallFailed && error.code === "RepositoryAlreadyExistsException") return false;
    throw error;
  }
}
