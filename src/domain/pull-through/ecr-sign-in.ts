import type { RemoteCredentials } from "../registry/remote-registry.ts";
import type { UpstreamCredentials } from "./upstream-secrets.ts";

/** Exchanges a key pair of AWS for what ECR takes: the user AWS and a password of twelve hours. `remotes/` keeps it. */
export type EcrTokens = (
  region: string,
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
) => Promise<UpstreamCredentials & { readonly expiresAt: Date }>;

/** Asked for anew so long before it ends. */
const earlyMs = 10 * 60_000;

/**
 * What a secret says for ECR at AWS. ECR's registries know one user, `AWS`: with any other name, the secret has an access
 * key id and its secret, which never go to the registry itself.
 */
export function ecrCredentials(
  host: string,
  read: () => Promise<UpstreamCredentials>,
  { ecrTokens, clock }: { readonly ecrTokens: EcrTokens; readonly clock: () => Date },
): RemoteCredentials {
  const [, , , region = ""] = host.split(".");
  let known: { readonly of: UpstreamCredentials; readonly token: Awaited<ReturnType<EcrTokens>> } | undefined;
  return {
    async read({ again }) {
      const given = await read();
      if (given.user === "AWS") return given;
      const isSame = known?.of.user === given.user && known.of.password === given.password;
      const isFresh = known && known.token.expiresAt.getTime() - earlyMs > clock().getTime();
      if (!known || again || !isSame || !isFresh) {
        const keys = { accessKeyId: given.user, secretAccessKey: given.password };
        known = { of: given, token: await ecrTokens(region, keys) };
      }
      const { user, password } = known.token;
      return { user, password };
    },
  };
}
