import type { ClientConfig, CopyConfig } from "../../client-config.ts";
import { registryOfHost } from "../../domain/registry/addresses.ts";
import type { RemoteRegistry } from "../../domain/registry/remote-registry.ts";
import type { Remotes } from "../../remotes/registry/index.ts";
import { CallFailed } from "../api/client.ts";
import { isAmong, registryHosts } from "../api/hosts.ts";
import { CommandFailed } from "../failure.ts";
import { awsEcr, tokenFrom, withProfile } from "./credentials.ts";
import { type EcrApi, openEcrApi } from "./ecr-api.ts";
import { openDestination, openRegistry } from "./open.ts";
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

  const side = {
    side: "dest",
    client,
    environment,
    remotes,
    // Images come as whoever makes the repositories.
    credentials: tokenFrom(client, host, async () => undefined),
    ca: options.ca ?? client.authorityFile,
    insecure: protocol === "http:",
  } as const;
  const place = { kind: "docker", host, shownHost: host, repository: options.prefix } as const;
  await confirmRegion(host, client, await openRegistry(place, side));
  const make = async (repository: string) => void (await ensure(repository));
  const destination = await openDestination(place, { ...side, fullName: () => undefined, make });
  return { ...destination, api, ensure };
}

const greetingMs = 60_000;

/**
 * Repositories are made in the region that the AWS variables name, and images go to the one that the host stands for.
 * @throws CommandFailed, RemoteFailure where those are two
 */
async function confirmRegion(host: string, { region }: ClientConfig, remote: RemoteRegistry): Promise<void> {
  const named = registryOfHost(host);
  if (named && named.region !== region) {
    throw new CommandFailed(
      `${host} stands for ${named.region}, and the region to import into is ${region}: set AWS_REGION`,
    );
  }
  // A token of another region is refused, with the region that the host serves.
  for await (const _ of remote.repositories({ signal: AbortSignal.timeout(greetingMs) })) break;
}

/**
 * Makes repositories of a registry that has the API of ECR: of AWS, or of the Berth that the AWS variables name.
 * @throws CommandFailed for another one
 */
export async function repositoryMaker(host: string, client: ClientConfig, profile: string | undefined) {
  // A host that names a region means it, whatever the variables say.
  const region = registryOfHost(host)?.region ?? client.region;
  const config = isAmong(registryHosts(client), host) ? { ...client, region } : awsEcr(host, client);
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
