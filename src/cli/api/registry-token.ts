import type { ClientConfig } from "../../client-config.ts";
import { type Api, CallFailed } from "./client.ts";
import type { Signer } from "./credentials.ts";
import type { TokenCache } from "./token-cache.ts";

/** What a registry takes as the password of the user `AWS`. */
export interface RegistryToken {
  readonly password: string;
  readonly expiresAt: Date;
  /** From then on, another one is asked for. */
  readonly renewAt: Date;
}

interface GetAuthorizationTokenOutput {
  readonly authorizationData?: readonly { readonly authorizationToken?: string; readonly expiresAt?: number }[];
}

export interface TokenParts {
  readonly api: Api;
  readonly config: Pick<ClientConfig, "endpoints" | "region">;
  /** Left out: every call asks the server. */
  readonly cache?: TokenCache;
  readonly clock?: () => Date;
}

/** The registry that a host name names; a plain one names none, and the configured region is meant. */
export type NamedRegistry = { readonly account: string; readonly region: string } | undefined;

/** A token of the signer's for a registry. @throws CallFailed */
export async function registryToken(
  parts: TokenParts,
  signer: Signer,
  registry: NamedRegistry,
): Promise<RegistryToken> {
  const { api, config, cache, clock = () => new Date() } = parts;
  const region = registry?.region ?? config.region;
  const place = { endpoint: config.endpoints.ecr?.origin ?? "", region, signer: signer.id };
  const kept = await cache?.read(place);
  if (kept && kept.renewAt > clock()) return kept;

  const keys = await signer.keys();
  const { authorizationData } = await api.json<GetAuthorizationTokenOutput>({
    service: "ecr",
    target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
    input: registry ? { registryIds: [registry.account] } : {},
    region,
    keys,
  });
  const { authorizationToken = "", expiresAt: expires } = authorizationData?.[0] ?? {};
  const [, password] = /^AWS:(.+)$/s.exec(Buffer.from(authorizationToken, "base64").toString()) ?? [];
  if (password === undefined || expires === undefined) {
    throw new CallFailed("the answer to GetAuthorizationToken has no token in it");
  }
  const now = clock().getTime();
  // A token of a session may end with the session.
  const end = Math.min(expires * 1000, keys.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY);
  const token = { password, expiresAt: new Date(end), renewAt: new Date(now + Math.max(0, end - now) / 2) };
  await cache?.write(place, token);
  return token;
}
