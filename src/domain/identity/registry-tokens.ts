import type { Principal } from "../access.ts";
import type { Digest, Region, Registry, RepositoryName } from "../names.ts";
import type { Credentials, SigningKey } from "./credentials.ts";
import { rememberOpened } from "./opened-tokens.ts";
import type { Sealer } from "./sealer.ts";

/** One blob that a download URL opens, and nothing else. */
export interface LayerScope {
  readonly registry: Registry;
  readonly repository: RepositoryName;
  /** Which life of the repository's name is meant. */
  readonly incarnation: string;
  readonly digest: Digest;
}

export type OpenedToken<Scope = undefined> =
  | {
      readonly state: "active";
      readonly principal: Principal;
      /** The key that the token was made with, and the one that it descends from. */
      readonly accessKeyId: string;
      readonly longTermKeyId?: string;
      readonly issuedAt: Date;
      readonly scope: Scope;
    }
  | { readonly state: "unknown" }
  | { readonly state: "expired" }
  /** A good token that was made for another region's registries. */
  | { readonly state: "foreign"; readonly region: Region };

/**
 * What `docker login` takes as a password (ECR user guide, "Registry authentication"), and what download URLs carry.
 * A token says who its bearer is, not what it may do: that is decided at each request.
 */
export interface RegistryTokens {
  issue(principal: Principal, key: MadeWith, region: Region): { password: string; expiresAt: Date };
  open(password: string, region: Region): Promise<OpenedToken>;
  issueLayer(principal: Principal, key: MadeWith, layer: LayerScope): string;
  openLayer(token: string): Promise<OpenedToken<LayerScope>>;
}

/** The key that signed the request for a token. */
export type MadeWith = Pick<SigningKey, "accessKeyId" | "longTermKeyId">;

/** ECR's authorization tokens live 12 hours; its download URLs about one. */
const loginSeconds = 12 * 3600;
const layerSeconds = 3600;

interface SealedToken extends MadeWith {
  readonly principal: Principal;
  readonly region: Region;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

interface SealedLayer extends SealedToken {
  readonly layer: LayerScope;
}

export function createRegistryTokens(parts: {
  sealer: Sealer;
  credentials: Pick<Credentials, "today">;
  clock: () => Date;
}): RegistryTokens {
  const { sealer, credentials, clock } = parts;
  // A download URL is good for one request, more or less.
  const openLogin = rememberOpened((password) => sealer.open("login", password) as SealedToken | undefined);

  /** A token dies early when the key, user or role behind it is taken away. */
  async function stateOf(token: SealedToken) {
    if (token.expiresAt <= clock().getTime()) return { state: "expired" } as const;
    const principal = await credentials.today(token.principal, token.longTermKeyId);
    return principal ? ({ state: "active", principal } as const) : ({ state: "unknown" } as const);
  }

  return {
    issue(principal, { accessKeyId, longTermKeyId }, region) {
      const issuedAt = clock().getTime();
      const expiresAt = issuedAt + loginSeconds * 1000;
      const token: SealedToken = { principal, accessKeyId, longTermKeyId, region, issuedAt, expiresAt };
      return { password: sealer.seal("login", token), expiresAt: new Date(expiresAt) };
    },
    async open(password, region) {
      const token = openLogin(password);
      if (!token) return { state: "unknown" };
      const found = await stateOf(token);
      if (found.state !== "active") return found;
      if (token.region !== region) return { state: "foreign", region: token.region };
      return { ...found, ...contentOf(token), scope: undefined };
    },
    issueLayer(principal, { accessKeyId, longTermKeyId }, layer) {
      const issuedAt = clock().getTime();
      const expiresAt = issuedAt + layerSeconds * 1000;
      const { region } = layer.registry;
      const token: SealedLayer = { principal, accessKeyId, longTermKeyId, region, issuedAt, expiresAt, layer };
      return sealer.seal("layer", token);
    },
    async openLayer(text) {
      const token = sealer.open("layer", text) as SealedLayer | undefined;
      if (!token) return { state: "unknown" };
      const found = await stateOf(token);
      if (found.state !== "active") return found;
      return { ...found, ...contentOf(token), scope: token.layer };
    },
  };
}

function contentOf({ accessKeyId, longTermKeyId, issuedAt }: SealedToken) {
  return { accessKeyId, longTermKeyId, issuedAt: new Date(issuedAt) };
}
