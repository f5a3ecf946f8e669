import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Signing {
  readonly service: string;
  readonly region: string;
  readonly keys: AwsKeys;
  readonly now: Date;
}

/** The headers of a POST to the root of an endpoint, signed (Signature Version 4). `headers` must name the host. */
export async function signedHeaders(
  { protocol, hostname }: URL,
  headers: Record<string, string>,
  body: string,
  { service, region, keys, now }: Signing,
): Promise<Record<string, string>> {
  const signer = new SignatureV4({ service, region, credentials: keys, sha256: Sha256 });
  const request = { method: "POST", protocol, hostname, path: "/", query: {}, headers, body };
  return (await signer.sign(request, { signingDate: now })).headers as Record<string, string>;
}

/** What the signer wants of a hash. */
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
