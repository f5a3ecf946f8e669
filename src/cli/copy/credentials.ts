import { readFile } from "node:fs/promises";
import type { ClientConfig, CopyConfig } from "../../client-config.ts";
import { parseRegion } from "../../domain/names.ts";
import { registryOfHost } from "../../domain/registry/addresses.ts";
import type { RemoteCredentials } from "../../domain/registry/remote-registry.ts";
import { createApi } from "../api/client.ts";
import { findSigner } from "../api/credentials.ts";
import { isAmong, registryHosts } from "../api/hosts.ts";
import { registryToken } from "../api/registry-token.ts";
import { CommandFailed } from "../failure.ts";
import { readInput } from "../text.ts";
import { dockerLogin, type Login, loginOf } from "./docker-config.ts";

/** Who asks a registry: what was typed, then who may ask for a token, then what Docker was told. */
export interface CredentialOptions {
  /** `user:password`. */
  readonly given?: string;
  /** A file with that; `-` is standard input. */
  readonly file?: string;
  /** A profile of the AWS credentials file, in place of the keys of the environment. */
  readonly profile?: string;
  /** Where Berth is, for whoever asks it. */
  readonly client: ClientConfig;
  readonly environment: CopyConfig;
  /** Which options these come from: `src` or `dest`. */
  readonly side: "src" | "dest";
}

/** ECR's own hosts. Those of other partitions end otherwise. */
const ecrHost = /^\d{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)$/;

/** @throws CommandFailed for credentials that were given and cannot be used */
export async function credentialsFor(host: string, options: CredentialOptions): Promise<RemoteCredentials | undefined> {
  const { side, environment } = options;
  const fromFile = options.file === undefined ? undefined : (await textOf(options.file)).trim();
  const fromEnvironment = side === "src" ? environment.sourceCredentials : environment.destinationCredentials;
  const text = options.given ?? fromFile ?? fromEnvironment;
  if (text !== undefined) {
    const login = loginOf(text);
    if (!login) throw new CommandFailed(`--${side}-creds: allowed: USER:PASSWORD`);
    return { read: async () => login };
  }
  const token = tokenOf(host, options);
  if (token) return token;
  return { read: () => dockerLogin(environment.dockerConfigFile, host) };
}

export function withProfile(config: ClientConfig, profile: string | undefined): ClientConfig {
  if (profile === undefined) return config;
  return { ...config, keys: undefined, webIdentity: undefined, profile: { name: profile, given: true } };
}

/** The API of ECR that the registry of a host belongs to, for AWS itself. */
export function awsEcr(host: string, config: ClientConfig): ClientConfig | undefined {
  const [, region = ""] = ecrHost.exec(host) ?? [];
  if (!parseRegion(region)) return undefined;
  const suffix = region.startsWith("cn-") ? ".cn" : "";
  const ecr = new URL(`https://api.ecr.${region}.amazonaws.com${suffix}`);
  return { ...config, endpoints: { ecr }, region, authorityFile: undefined };
}

/** A password for the user AWS, of a Berth or of ECR, where there is a key pair to ask with. */
function tokenOf(host: string, { client, profile, environment }: CredentialOptions): RemoteCredentials | undefined {
  const isBerth = isAmong(registryHosts(client), host);
  const config = isBerth ? client : awsEcr(host, client);
  if (!config) return undefined;
  return tokenFrom(withProfile(config, profile), host, () => dockerLogin(environment.dockerConfigFile, host));
}

/** @param otherwise where there is no key pair */
export function tokenFrom(
  config: ClientConfig,
  host: string,
  otherwise: () => Promise<Login | undefined>,
): RemoteCredentials {
  let known: Promise<Login | undefined> | undefined;
  async function ask(): Promise<Login | undefined> {
    const api = createApi(config);
    const signer = await findSigner(config, api);
    if (!signer) return otherwise();
    const { password } = await registryToken({ api, config }, signer, registryOfHost(host));
    return { user: "AWS", password };
  }
  return {
    read({ again }) {
      if (again) known = undefined;
      known ??= ask();
      return known;
    },
  };
}

async function textOf(file: string): Promise<string> {
  if (file === "-") return readInput();
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CommandFailed(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
