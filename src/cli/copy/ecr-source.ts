import type { ClientConfig, CopyConfig } from "../../client-config.ts";
import { type Digest, parseDigest, parseRegion } from "../../domain/names.ts";
import { registryOfHost } from "../../domain/registry/addresses.ts";
import type { Remotes } from "../../remotes/registry/index.ts";
import { hostIn } from "../api/hosts.ts";
import { CommandFailed } from "../failure.ts";
import { awsEcr, tokenFrom, withProfile } from "./credentials.ts";
import { type EcrApi, openEcrApi } from "./ecr-api.ts";
import type { EcrRepository } from "./ecr-settings.ts";
import { openSource, schemeFor } from "./open.ts";
import type { Source } from "./places.ts";

export interface EcrSourceOptions {
  readonly profile?: string;
  readonly region?: string;
  readonly insecure: boolean;
  readonly ca?: string;
  readonly client: ClientConfig;
  readonly environment: CopyConfig;
  readonly remotes: Remotes;
  readonly wanted: (repository: string) => boolean;
  readonly untagged: boolean;
  readonly warn: (text: string) => void;
}

export interface EcrSource extends Source {
  readonly api: EcrApi;
  repositories(): AsyncIterable<EcrRepository>;
}

/** @param text a region of AWS, a registry of AWS by its host, or the host of a Berth */
export async function openEcrSource(text: string, options: EcrSourceOptions): Promise<EcrSource> {
  const config = await configFor(text, options);
  const api = await openEcrApi(config, "the registry to import from");
  const host = parseRegion(text) ? await hostOf(api) : (hostIn(text) ?? "");
  const { wanted, untagged, warn } = options;
  const repositories = () => api.all<EcrRepository>("DescribeRepositories", {}, "repositories");
  const registry = await openSource(
    { kind: "docker", host, shownHost: host, repository: "" },
    {
      side: "src",
      client: options.client,
      environment: options.environment,
      remotes: options.remotes,
      ca: options.ca,
      insecure: api.endpoint.protocol === "http:",
      credentials: tokenFrom(config, host, async () => undefined),
      wanted,
      warn,
      async *repositories() {
        for await (const { repositoryName } of repositories()) yield repositoryName;
      },
    },
  );

  async function* untaggedOf(repositoryName: string): AsyncGenerator<Digest> {
    const input = { repositoryName, filter: { tagStatus: "UNTAGGED" } };
    for await (const { imageDigest = "" } of api.all<{ imageDigest?: string }>("ListImages", input, "imageIds")) {
      const digest = parseDigest(imageDigest);
      if (digest) yield digest;
    }
  }

  return {
    ...registry,
    api,
    repositories,
    async *images(asking) {
      yield* registry.images(asking);
      if (!untagged) return;
      for await (const { repositoryName: repository } of repositories()) {
        if (!wanted(repository)) continue;
        for await (const digest of untaggedOf(repository)) yield { repository, reference: { digest } };
      }
    },
  };
}

async function configFor(text: string, { client, profile, region, insecure }: EcrSourceOptions): Promise<ClientConfig> {
  const asked = withProfile(client, profile);
  const host = hostIn(text);
  if (parseRegion(text)) return awsEcr(`000000000000.dkr.ecr.${text}.amazonaws.com`, asked) as ClientConfig;
  if (!host || !/[.:]|^localhost$/.test(host)) {
    throw new CommandFailed(`given "${text}"; allowed: a region, such as eu-west-1, or the host of a registry`);
  }
  const aws = awsEcr(host, asked);
  if (aws) return aws;
  const endpoint = new URL(`${await schemeFor(host, insecure)}://${host}`);
  return {
    ...asked,
    endpoints: { ecr: endpoint, sts: endpoint },
    region: region ?? registryOfHost(host)?.region ?? client.region,
  };
}

/** Where the registry of whoever asks is, as ECR itself says. Never anywhere but at AWS. */
async function hostOf(api: EcrApi): Promise<string> {
  const { authorizationData } = await api.ask<{ authorizationData?: { proxyEndpoint?: string }[] }>(
    "GetAuthorizationToken",
    {},
  );
  const host = hostIn(authorizationData?.[0]?.proxyEndpoint ?? "");
  if (!host || !awsEcr(host, api.config))
    throw new CommandFailed(`${api.endpoint.host} does not say where its registry is`);
  return host;
}
