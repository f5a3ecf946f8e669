import { createHash } from "node:crypto";
import { type Digest, digestAlgorithm, digestOf, parseDigest } from "../../domain/names.ts";
import { maxManifestBytes, mediaTypes } from "../../domain/registry/manifests.ts";
import { RemoteFailure, type RemoteRegistry } from "../../domain/registry/remote-registry.ts";
import type { Asked, Calls } from "./calls.ts";
import { isUnknown } from "./failures.ts";
import { manifestPath, pathOf, pullScope } from "./paths.ts";
import { lengthIn, type Reply } from "./reply.ts";

type Reading = Pick<RemoteRegistry, "ping" | "statManifest" | "manifest" | "statBlob" | "blob">;

const accept = [...Object.values(mediaTypes), "*/*;q=0.5"].join(", ");
const mediaTypeForm = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}$/;

export function createReading(calls: Calls): Reading {
  async function found(asked: Asked): Promise<Reply | undefined> {
    const reply = await calls.ask(asked);
    if (reply.status === 200 || (reply.status === 206 && asked.headers?.range !== undefined)) return reply;
    const failure = await calls.failure(reply);
    if (isUnknown(failure)) return undefined;
    throw failure;
  }

  const nonsense = (what: string) => new RemoteFailure("nonsense", `${calls.host} answered ${what}`);

  const registry: Reading = {
    async ping({ signal }) {
      const reply = await calls.ask({ method: "GET", path: "/v2/", scopes: [], signal });
      if (reply.status !== 200) throw await calls.failure(reply);
      reply.discard();
    },

    async statManifest(repository, reference, { signal }) {
      const scopes = [pullScope(repository)];
      const path = manifestPath(repository, reference);
      const asked = { path, scopes, signal, headers: { accept }, redirects: "manifests" } as const;
      const reply = await found({ ...asked, method: "HEAD" });
      if (!reply) return undefined;
      const digest = digestIn(reply);
      const sizeBytes = lengthIn(reply.headers);
      return {
        mediaType: mediaTypeOf(reply),
        ...(digest !== undefined && { digest }),
        ...(sizeBytes !== undefined && { sizeBytes }),
      };
    },

    async manifest(repository, reference, { signal, unless }) {
      if (unless !== undefined) {
        // To ask for the headers alone is free of charge where pulls are counted.
        const stat = await registry.statManifest(repository, reference, { signal });
        if (!stat) return undefined;
        if (stat.digest === unless) return "unchanged";
      }
      const scopes = [pullScope(repository)];
      const path = manifestPath(repository, reference);
      const reply = await found({ method: "GET", path, scopes, signal, headers: { accept }, redirects: "manifests" });
      if (!reply) return undefined;
      if (isPacked(reply) || mediaTypeOf(reply) === "text/html") {
        reply.discard();
        throw nonsense("with what is no manifest");
      }
      const bytes = await reply.whole(maxManifestBytes);
      if (unless !== undefined && sameDigest(bytes, unless)) return "unchanged";
      return { mediaType: mediaTypeOf(reply), bytes };
    },

    async statBlob(repository, digest, { signal }) {
      const path = pathOf(repository, `blobs/${digest}`);
      const asked = { path, scopes: [pullScope(repository)], signal, redirects: "blobs" } as const;
      const reply = await calls.ask({ ...asked, method: "HEAD" });
      const sizeBytes = reply.status === 200 ? lengthIn(reply.headers) : undefined;
      if (sizeBytes !== undefined) return { sizeBytes };
      if (reply.status === 404) return undefined;
      const isAnswered = reply.status === 200 || (reply.status < 500 && reply.url.host !== calls.host);
      if (!isAnswered && reply.status !== 405) throw await calls.failure(reply);
      // A signed URL that it leads to may be good for GET alone.
      const whole = await found({ ...asked, method: "GET" });
      if (!whole) return undefined;
      const wholeBytes = lengthIn(whole.headers);
      whole.discard();
      if (wholeBytes === undefined) throw nonsense("with a blob of unknown size");
      return { sizeBytes: wholeBytes };
    },

    async blob(repository, digest, { signal, offset = 0 }) {
      const path = pathOf(repository, `blobs/${digest}`);
      const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
      const reply = await found({
        method: "GET",
        path,
        headers,
        scopes: [pullScope(repository)],
        signal,
        redirects: "blobs",
      });
      if (!reply) return undefined;
      if (reply.status === 200) {
        const sizeBytes = lengthIn(reply.headers);
        return { offset: 0, bytes: reply.bytes(), ...(sizeBytes !== undefined && { sizeBytes }) };
      }
      const [, first = "", size = ""] =
        /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(reply.headers["content-range"] ?? "") ?? [];
      if (offset === 0 || first === "" || Number(first) !== offset) {
        reply.discard();
        throw nonsense("with another range than it was asked for");
      }
      return { offset, bytes: reply.bytes(), ...(size !== "*" && { sizeBytes: Number(size) }) };
    },
  };
  return registry;
}

function digestIn({ headers }: Reply): Digest | undefined {
  const header = headers["docker-content-digest"];
  return typeof header === "string" ? parseDigest(header) : undefined;
}

/** Nothing is unpacked here, and nobody asked for it. */
const isPacked = ({ headers }: Reply) => ![undefined, "", "identity"].includes(headers["content-encoding"]);

/** Without parameters, which some servers add; `application/octet-stream` where there is none that makes sense. */
function mediaTypeOf({ headers }: Reply): string {
  const [type = ""] = (headers["content-type"] ?? "").split(";");
  return mediaTypeForm.test(type.trim()) ? type.trim() : "application/octet-stream";
}

function sameDigest(bytes: Uint8Array, digest: Digest): boolean {
  const algorithm = digestAlgorithm(digest);
  return digestOf(algorithm, createHash(algorithm).update(bytes).digest("hex")) === digest;
}
