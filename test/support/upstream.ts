import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { digestOf, type InProcess, keyPair, mediaTypes } from "./berth.ts";

/** A registry for caches to stand before: as small as one can be, and as bad as a test wants it to be. */

export interface Upstream {
  /** As a rule names it: `127.0.0.1:40123`. */
  readonly host: string;
  /** What it was asked, in order: `GET /v2/app/manifests/1`. */
  readonly asked: string[];
  blob(content: string | Uint8Array): { digest: string; size: number };
  manifest(repository: string, reference: string, manifest: object): string;
  /** An image of these layers. Answers its digest. */
  image(repository: string, reference: string, ...layers: (string | Uint8Array)[]): string;
  /** Answers requests in its place, for as long as it says `true`. */
  instead?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
  /** What it has, by `repository/reference` or digest, to be taken away or changed. */
  readonly manifests: Map<string, string>;
  readonly blobs: Map<string, Uint8Array>;
  close(): Promise<void>;
}

export async function startUpstream(): Promise<Upstream> {
  const manifests = new Map<string, string>();
  const blobs = new Map<string, Uint8Array>();
  const asked: string[] = [];

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? "", "http://upstream");
    const end = (status: number, headers: Record<string, string | number>, body: string | Uint8Array = "") => {
      response.writeHead(status, headers);
      response.end(request.method === "HEAD" ? undefined : body);
    };
    const [, repository = "", kind, reference = ""] =
      /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/.exec(pathname) ?? [];
    if (kind === "manifests") {
      const manifest = manifests.get(`${repository}/${reference}`);
      if (manifest === undefined) {
        end(404, {}, JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN" }] }));
        return;
      }
      const { mediaType } = JSON.parse(manifest);
      const headers = { "content-type": mediaType ?? "text/plain", "docker-content-digest": digestOf(manifest) };
      end(200, { ...headers, "content-length": Buffer.byteLength(manifest) }, manifest);
      return;
    }
    if (kind === "blobs") {
      const blob = blobs.get(reference);
      if (!blob) {
        end(404, {});
        return;
      }
      const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const range = { "content-range": `bytes ${first}-${blob.length - 1}/${blob.length}` };
      end(
        first > 0 ? 206 : 200,
        { "content-length": blob.length - first, ...(first > 0 && range) },
        blob.subarray(first),
      );
      return;
    }
    if (kind === "referrers") {
      const found = [...new Set(manifests.values())].filter((text) => JSON.parse(text).subject?.digest === reference);
      const listed = found.map((text) => ({
        mediaType: JSON.parse(text).mediaType,
        digest: digestOf(text),
        size: Buffer.byteLength(text),
        artifactType: JSON.parse(text).artifactType,
      }));
      const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: listed });
      end(200, { "content-type": mediaTypes.index }, index);
      return;
    }
    end(pathname === "/v2/" ? 200 : 404, {});
  }

  const server = createServer(async (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume();
    if (!(await upstream.instead?.(request, response))) answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const upstream: Upstream = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    manifests,
    blobs,
    blob(content) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      const digest = digestOf(bytes);
      blobs.set(digest, bytes);
      return { digest, size: bytes.length };
    },
    manifest(repository, reference, manifest) {
      const text = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, ...manifest });
      const digest = digestOf(text);
      manifests.set(`${repository}/${digest}`, text);
      manifests.set(`${repository}/${reference}`, text);
      return digest;
    },
    image(repository, reference, ...layers) {
      const config = { mediaType: mediaTypes.config, ...upstream.blob(`{"of":"${reference}"}`) };
      const described = layers.map((layer) => ({ mediaType: mediaTypes.layer, ...upstream.blob(layer) }));
      return upstream.manifest(repository, reference, { config, layers: described });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return upstream;
}

/** What a Berth must allow to stand before it. */
export const upstreamsHere = {
  further: [{ pattern: "127.0.0.1:*", kind: "oci" as const }],
  private: ["127.0.0.1:*"],
  insecure: ["127.0.0.1:*"],
  mirrors: [],
};

/** The Berth behind a socket, for tests of what happens to connections. */
export function serve(berth: Pick<InProcess, "surfaces">): Bun.Server<undefined> {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    // It is cut off, as the listener does it.
    error: () => new Response(null, { status: 500 }),
    fetch: (request) =>
      berth.surfaces.registry(request, {
        requestId: crypto.randomUUID(),
        sourceIp: "127.0.0.1",
        secureTransport: false,
        note: () => {},
      }),
  });
}

export const rootAuthorization = `Basic ${btoa(`${keyPair.accessKeyId}:${keyPair.secretAccessKey}`)}`;
