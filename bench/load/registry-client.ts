import { type Answer, Connection, encodeRequest, headerOf } from "./connection.ts";

export const mediaTypes = {
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
  manifest: "application/vnd.oci.image.manifest.v1+json",
};

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}

/** Pushes over one connection, as the OCI specification has it. */
export class RegistryClient {
  readonly #connection: Connection;
  readonly #origin: URL;

  constructor(
    origin: string,
    readonly authorization: string | undefined,
  ) {
    this.#origin = new URL(origin);
    this.#connection = new Connection(origin);
  }

  async ask(method: string, path: string, type?: string, body?: Uint8Array): Promise<Answer> {
    const headers = { Authorization: this.authorization, "Content-Type": type };
    const answer = await this.#connection.ask(encodeRequest(method, this.#origin.host, path, headers, body));
    if (answer.status < 300) return answer;
    throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString().slice(0, 300)}`);
  }

  /** Answers the path to go on with. */
  async beginUpload(repository: string): Promise<string> {
    const answer = await this.ask("POST", `/v2/${repository}/blobs/uploads/`);
    return this.location(answer);
  }

  location(answer: Answer): string {
    const { pathname, search } = new URL(headerOf(answer, "location") ?? "", this.#origin);
    return pathname + search;
  }

  async pushBlob(repository: string, bytes: Uint8Array, mediaType = mediaTypes.layer): Promise<Descriptor> {
    const digest = sha256(bytes);
    const upload = await this.beginUpload(repository);
    await this.ask("PUT", withDigest(upload, digest), "application/octet-stream", bytes);
    return { mediaType, digest, size: bytes.length };
  }

  async pushManifest(repository: string, tag: string, config: Descriptor, layers: Descriptor[]): Promise<string> {
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers });
    const path = `/v2/${repository}/manifests/${tag}`;
    await this.ask("PUT", path, mediaTypes.manifest, Buffer.from(manifest));
    return path;
  }

  close(): void {
    this.#connection.close();
  }
}

export function withDigest(upload: string, digest: string): string {
  return `${upload}${upload.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
}
