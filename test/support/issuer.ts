import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";

/**
 * An OIDC issuer over real HTTP on loopback, with real keys, that can also do everything an issuer should not: rotate its
 * keys, be slow, be down, and lie.
 */
export interface TestIssuer extends AsyncDisposable {
  /** Its `iss`: `http://127.0.0.1:PORT`. */
  readonly issuer: string;
  /** As in the provider's ARN: without the scheme. */
  readonly url: string;
  /** A token as this issuer makes them: `claims` are added, and `undefined` takes one away. */
  token(claims?: Claims, options?: TokenOptions): string;
  /** New keys; the old ones are not published any more. */
  rotate(): void;
  /** What each path answers instead of the truth. */
  readonly lies: Map<string, (request: Request) => Response | Promise<Response>>;
  /** The paths that were asked for. */
  readonly asked: string[];
  /** The public keys as they are published. */
  readonly jwks: () => { keys: { readonly kid: string }[] };
}

export type Claims = Readonly<Record<string, unknown>>;

export interface TokenOptions {
  readonly algorithm?: keyof typeof algorithms | "none" | "HS256";
  /** Over the issuer's own. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** Another key than the one that is published. */
  readonly forged?: boolean;
}

interface TestKey {
  readonly kid: string;
  readonly algorithm: keyof typeof algorithms;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const algorithms = {
  RS256: { hash: "sha256", make: () => generateKeyPairSync("rsa", { modulusLength: 2048 }) },
  ES256: { hash: "sha256", make: () => generateKeyPairSync("ec", { namedCurve: "P-256" }) },
  EdDSA: { hash: null, make: () => generateKeyPairSync("ed25519") },
} as const;

export const configurationPath = "/.well-known/openid-configuration";
export const keysPath = "/keys";

export interface IssuerOptions {
  /** What its clock shows. */
  readonly clock?: () => Date;
  readonly audience?: string;
}

export function startIssuer({
  clock = () => new Date(),
  audience = "sts.amazonaws.com",
}: IssuerOptions = {}): TestIssuer {
  const lies: TestIssuer["lies"] = new Map();
  const asked: string[] = [];
  let keys = makeKeys();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request): Promise<Response> {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      const lie = lies.get(pathname);
      if (lie) return lie(request);
      if (pathname === configurationPath) return Response.json({ issuer, jwks_uri: `${issuer}${keysPath}` });
      if (pathname === keysPath) return Response.json(jwks());
      return new Response("there is no such page", { status: 404 });
    },
  });
  const url: string = `127.0.0.1:${server.port}`;
  const issuer = `http://${url}`;
  const jwks = () => ({
    keys: keys.map(({ kid, algorithm: alg, publicKey }) => {
      return { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
    }),
  });

  function token(claims: Claims = {}, { algorithm = "RS256", header, forged = false }: TokenOptions = {}): string {
    const now = Math.floor(clock().getTime() / 1000);
    const body = { iss: issuer, aud: audience, sub: "job-1", iat: now, nbf: now, exp: now + 600, ...claims };
    const key = keys.find((key) => key.algorithm === algorithm) ?? (keys[0] as TestKey);
    const head = { alg: algorithm, typ: "JWT", kid: key.kid, ...header };
    const text = [head, body].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    const signer = forged ? makeKey(key.algorithm) : key;
    return `${text}.${signatureOf(text, algorithm, signer)}`;
  }

  return {
    issuer,
    url,
    token,
    rotate: () => {
      keys = makeKeys();
    },
    lies,
    asked,
    jwks,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

function makeKeys(): TestKey[] {
  return (Object.keys(algorithms) as (keyof typeof algorithms)[]).map(makeKey);
}

function makeKey(algorithm: keyof typeof algorithms): TestKey {
  return { kid: randomUUID(), algorithm, ...algorithms[algorithm].make() };
}

function signatureOf(text: string, algorithm: NonNullable<TokenOptions["algorithm"]>, key: TestKey): string {
  if (algorithm === "none") return "";
  if (algorithm === "HS256") {
    // The attack that pinned algorithms are for: the public key, which everybody knows, as the shared secret.
    const secret = key.publicKey.export({ type: "spki", format: "pem" });
    return createHmac("sha256", secret).update(text).digest("base64url");
  }
  const { hash } = algorithms[algorithm];
  return sign(hash, Buffer.from(text), { key: key.privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url");
}
