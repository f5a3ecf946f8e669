import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Lie } from "./kms-service.ts";

/** A small Vault of our own: `encrypt` and `decrypt` of a transit engine, with tokens, a namespace and versions of keys. */
export interface TransitService extends AsyncDisposable {
  readonly url: string;
  /** Secrets of each version, the first first, by `mount/name`. */
  readonly keys: Map<string, Buffer[]>;
  readonly tokens: Set<string>;
  /** All others are refused. */
  namespace: string | undefined;
  /** Whether associated data is passed over. */
  isCareless: boolean;
  readonly asked: { readonly path: string; readonly input: Record<string, string> }[];
  readonly lies: (Lie | undefined)[];
  rotate(key: string): void;
  stop(): Promise<void>;
}

export function startTransit({
  port = 0,
  tls,
}: {
  port?: number;
  tls?: { cert: string; key: string };
} = {}): TransitService {
  const vault = {
    keys: new Map([["transit/berth", [randomBytes(32)]]]),
    tokens: new Set(["token-of-test"]),
    namespace: undefined as string | undefined,
    isCareless: false,
    asked: [] as TransitService["asked"],
    lies: [] as TransitService["lies"],
  };

  const refuse = (status: number, ...errors: string[]) => Response.json({ errors }, { status });

  async function answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [, mount, operation, name] = /^\/v1\/(.+)\/(encrypt|decrypt)\/([^/]+)$/.exec(pathname) ?? [];
    if (!vault.tokens.has(request.headers.get("x-vault-token") ?? "")) {
      return refuse(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
    }
    if ((request.headers.get("x-vault-namespace") ?? undefined) !== vault.namespace)
      return refuse(403, "permission denied");
    const input = (await request.json()) as Record<string, string>;
    vault.asked.push({ path: pathname, input });
    const versions = vault.keys.get(`${mount}/${name}`);
    if (!versions)
      return refuse(404, `no handler for route "${pathname.slice("/v1/".length)}". route entry not found.`);
    const associated = Buffer.from(vault.isCareless ? "" : (input.associated_data ?? ""), "base64");
    if (operation === "encrypt") {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", versions.at(-1) as Buffer, nonce).setAAD(associated);
      const sealed = [cipher.update(Buffer.from(input.plaintext ?? "", "base64")), cipher.final(), cipher.getAuthTag()];
      const ciphertext = `vault:v${versions.length}:${Buffer.concat([nonce, ...sealed]).toString("base64")}`;
      return Response.json({ request_id: "1", data: { ciphertext, key_version: versions.length } });
    }
    const [, version, text] = /^vault:v(\d+):(.+)$/.exec(input.ciphertext ?? "") ?? [];
    const secret = versions[Number(version) - 1];
    if (!secret || text === undefined) return refuse(400, "invalid ciphertext: version is too new");
    const sealed = Buffer.from(text, "base64");
    try {
      const decipher = createDecipheriv("aes-256-gcm", secret, sealed.subarray(0, 12)).setAAD(associated);
      decipher.setAuthTag(sealed.subarray(-16));
      const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
      return Response.json({ request_id: "1", data: { plaintext: plaintext.toString("base64") } });
    } catch {
      return refuse(400, "cipher: message authentication failed");
    }
  }

  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    tls,
    async fetch(request) {
      const lie = vault.lies.shift();
      return lie ? await lie(() => answer(request)) : await answer(request);
    },
  });
  const stop = async () => server.stop(true);
  return Object.assign(vault, {
    url: `${tls ? "https" : "http"}://${tls ? "localhost" : "127.0.0.1"}:${server.port}`,
    rotate(key: string) {
      vault.keys.get(key)?.push(randomBytes(32));
    },
    stop,
    [Symbol.asyncDispose]: stop,
  });
}
