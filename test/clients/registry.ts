import { createHash } from "node:crypto";

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

/** The registry HTTP API spoken by hand, to prepare what a client finds and to look at what it left. */
export interface Registry {
  request(
    method: string,
    path: string,
    options?: { body?: Uint8Array<ArrayBuffer>; headers?: Record<string, string> },
  ): Promise<Response>;
  pushBlob(repository: string, bytes: Uint8Array<ArrayBuffer>): Promise<string>;
  pushManifest(
    repository: string,
    reference: string,
    bytes: Uint8Array<ArrayBuffer>,
    mediaType: string,
  ): Promise<Response>;
  manifest(
    repository: string,
    reference: string,
  ): Promise<{ digest: string; mediaType: string; bytes: Uint8Array<ArrayBuffer> }>;
  blob(repository: string, digest: string): Promise<Uint8Array<ArrayBuffer>>;
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function openRegistry(url: string, user: string, secret: string): Registry {
  const authorization = `Basic ${btoa(`${user}:${secret}`)}`;

  const request: Registry["request"] = (method, path, options = {}) =>
    fetch(new URL(path, url), {
      method,
      headers: { authorization, ...options.headers },
      body: options.body ?? null,
      signal: AbortSignal.timeout(60_000),
    });

  return {
    request,

    async pushBlob(repository, bytes) {
      const digest = sha256(bytes);
      const known = await request("HEAD", `/v2/${repository}/blobs/${digest}`);
      if (known.status === 200) return digest;
      const opened = await expectStatus(await request("POST", `/v2/${repository}/blobs/uploads/`), 202);
      const location = new URL(opened.headers.get("location") ?? "", url);
      location.searchParams.set("digest", digest);
      const headers = { "content-type": "application/octet-stream" };
      await expectStatus(await request("PUT", location.href, { body: bytes, headers }), 201);
      return digest;
    },

    pushManifest: (repository, reference, bytes, mediaType) =>
      request("PUT", `/v2/${repository}/manifests/${reference}`, {
        body: bytes,
        headers: { "content-type": mediaType },
      }),

    async manifest(repository, reference) {
      const accept = `${OCI_MANIFEST}, ${OCI_INDEX}, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json`;
      const response = await expectStatus(
        await request("GET", `/v2/${repository}/manifests/${reference}`, { headers: { accept } }),
        200,
      );
      const bytes = new Uint8Array(await response.arrayBuffer());
      return { digest: sha256(bytes), mediaType: response.headers.get("content-type") ?? "", bytes };
    },

    async blob(repository, digest) {
      const response = await expectStatus(await request("GET", `/v2/${repository}/blobs/${digest}`), 200);
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}

async function expectStatus(response: Response, status: number): Promise<Response> {
  if (response.status === status) return response;
  throw new Error(`${response.url}: ${response.status} instead of ${status}: ${await response.text()}`);
}
