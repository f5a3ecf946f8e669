import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";

/** For tests: requests signed by the published signer. */

export interface Draft {
  method: string;
  path: string;
  query: Record<string, string | string[]>;
  headers: Record<string, string>;
  body?: Uint8Array | string;
}

export interface Signing {
  readonly service?: string;
  readonly region?: string;
  readonly key?: { accessKeyId: string; secret: string; sessionToken?: string };
  readonly signingDate?: Date;
  /** Whether to declare the body's hash in a header. */
  readonly checksum?: boolean;
}

export async function signDraft(draft: Draft, signing: Signing): Promise<Draft> {
  return (await signerOf(signing).sign(withDefaults(draft), { signingDate: signing.signingDate })) as unknown as Draft;
}

export async function presignDraft(draft: Draft, signing: Signing & { expiresIn?: number }): Promise<Draft> {
  const { signingDate, expiresIn = 60 } = signing;
  return (await signerOf(signing).presign(withDefaults(draft), { signingDate, expiresIn })) as unknown as Draft;
}

export function toRequest({ method, path, query, headers, body }: Draft): Request {
  const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((item) => [name, item] as const));
  const search = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
  const url = `http://localhost:5080${path}${search && `?${search}`}`;
  return new Request(url, { method, headers, body: method === "GET" ? undefined : body });
}

function signerOf({ service = "ecr", region = "us-east-1", key, checksum = false }: Signing): SignatureV4 {
  if (!key) throw new Error("a signature takes a key");
  const { accessKeyId, secret: secretAccessKey, sessionToken } = key;
  return new SignatureV4({
    service,
    region,
    credentials: { accessKeyId, secretAccessKey, sessionToken },
    sha256: Sha256,
    applyChecksum: checksum,
  });
}

function withDefaults(draft: Draft) {
  return { protocol: "http:", hostname: "localhost", ...draft };
}

class Sha256 {
  private readonly hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.hash = secret ? createHmac("sha256", secret as Uint8Array) : createHash("sha256");
  }
  update(data: Uint8Array): void {
    this.hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return new Uint8Array(this.hash.digest());
  }
  reset(): void {}
}
