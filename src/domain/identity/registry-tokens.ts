import type { Principal } from "../access.ts";
import type { Digest, Region, Registry, RepositoryName } from "../names.ts";
import type { Credentials } from "./credentials.ts";
import type { Sealer } from "./sealer.ts";

/** One blob that a download URL opens, and nothing else. */
export interface LayerScope {
  readonly registry: Registry;
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

export type OpenedToken<Scope = undefined> =
  | {
      readonly state: "active";
      readonly principal: Principal;
      /** The key that the token descends from. */
      readonly longTermKeyId: string;
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
  issue(principal: Principal, longTermKeyId: string, region: Region): { password: string; expiresAt: Date };
  open(password: string, region: Region): Promise<OpenedToken>;
  issueLayer(principal: Principal, longTermKeyId: string, layer: LayerScope): string;
  openLayer(token: string): Promise<OpenedToken<LayerScope>>;
}

/** ECR's authorization tokens live 12 hours; its download URLs about one. */
const loginSeconds = 12 * 3600;
const layerSeconds = 3600;

interface SealedToken {
  readonly principal: Principal;
  readonly longTermKeyId: string;
  readonly region: Region;
  readonly expiresAt: number;
}

interface SealedLayer extends SealedToken {
  readonly layer: LayerScope;
}

export function createRegistryTokens(parts: {
  sealer: Sealer;
  credentials: Pick<Credentials, "isActive">;
  clock: () => Date;
}): RegistryTokens {
  const { sealer, credentials, clock } = parts;

  /** A token dies early when the key it was made with is taken away. */
  async function stateOf(token: SealedToken): Promise<"active" | "expired" | "unknown"> {
    if (token.expiresAt <= clock().getTime()) return "expired";
    return (await credentials.isActive(token.longTermKeyId)) ? "active" : "unknown";
  }

  return {
    issue(principal, longTermKeyId, region) {
      const expiresAt = clock().getTime() + loginSeconds * 1000;
      const token: SealedToken = { principal, longTermKeyId, region, expiresAt };
      return { password: sealer.seal("login", token), expiresAt: new Date(expiresAt) };
    },
    async open(password, region) {
      const token = sealer.open("login", password) as SealedToken | undefined;
      if (!token) return { state: "unknown" };
      const state = await stateOf(token);
      if (state !== "active") return { state };
      if (token.region !== region) return { state: "foreign", region: token.region };
      const { principal, longTermKeyId } = token;
      return { state, principal, longTermKeyId, scope: undefined };
    },
    issueLayer(principal, longTermKeyId, layer) {
      const expiresAt = clock().getTime() + layerSeconds * 1000;
      const token: SealedLayer = { principal, longTermKeyId, region: layer.registry.region, expiresAt, layer };
      return sealer.seal("layer", token);
    },
    async openLayer(text) {
      const token = sealer.open("layer", text) as SealedLayer | undefined;
      if (!token) return { state: "unknown" };
      const state = await stateOf(token);
      const { principal, longTermKeyId, layer: scope } = token;
      return state === "active" ? { state, principal, longTermKeyId, scope } : { state };
    },
  };
}
