import { setTimeout as pause } from "node:timers/promises";
import { RemoteFailure, type RemoteRegistry } from "../../domain/registry/remote-registry.ts";
import type { Calls } from "./calls.ts";
import { checkedName, deleteScope, manifestPath, pathOf, pullScope, pushScope } from "./paths.ts";
import type { Reply } from "./transport.ts";

type Writing = Pick<RemoteRegistry, "mountBlob" | "putBlob" | "putManifest" | "deleteManifest">;
type Stat = RemoteRegistry["statBlob"];

/** Up to so much goes with the request that ends the upload: for more it is worth it to be able to go on. */
const maxSingleBytes = 1024 * 1024;
/** Failures in a row of which none let more bytes through. */
const maxFailures = 5;
const maxLocationLength = 8 * 1024;

export interface WritingParts {
  readonly calls: Calls;
  readonly origin: URL;
  readonly statBlob: Stat;
  /** Before something is tried again; twice that before the next. */
  readonly pauseMs: number;
}

export function createWriting({ calls, origin, statBlob, pauseMs }: WritingParts): Writing {
  const nonsense = (what: string) => new RemoteFailure("nonsense", `${calls.host} answered ${what}`);

  /** Where an upload goes on. Never anywhere but at the registry itself. */
  function locationIn({ headers, url }: Reply): URL {
    const { location = "" } = headers;
    if (location === "" || location.length > maxLocationLength || !URL.canParse(location, url.href)) {
      throw nonsense("with no place to send a blob to");
    }
    return checkedLocation(new URL(location, url.href));
  }

  function checkedLocation(location: URL): URL {
    // Behind a proxy that ends TLS some registries name themselves without it.
    if (origin.protocol === "https:" && location.protocol === "http:" && location.host === origin.host) {
      location.protocol = "https:";
    }
    if (location.origin === origin.origin && location.username === "" && location.password === "") return location;
    throw new RemoteFailure(
      "out-of-bounds",
      `${calls.host} wants blobs sent to ${location.host}, which is another host`,
    );
  }

  return {
    async mountBlob(repository, digest, from, { signal }) {
      const path = `${pathOf(repository, "blobs/uploads/")}?mount=${digest}&from=${encodeURIComponent(checkedName(from))}`;
      const scopes = [pushScope(repository), pullScope(from)];
      const reply = await calls.ask({ method: "POST", path, scopes, signal, body: new Uint8Array() });
      if (reply.status !== 201 && reply.status !== 202) throw await calls.failure(reply);
      reply.discard();
      if (reply.status === 201) return true;
      // It began an upload instead, which nobody needs. Where it cannot be cancelled it expires.
      try {
        const cancelled = await calls.ask({
          method: "DELETE",
          path: locationIn(reply),
          scopes: [pushScope(repository)],
          signal,
        });
        cancelled.discard();
      } catch (error) {
        if (!(error instanceof RemoteFailure)) throw error;
      }
      return false;
    },

    async putBlob(repository, blob, open, { signal, upload, sent }) {
      const scopes = [pushScope(repository)];
      const { digest, sizeBytes } = blob;
      let location = upload?.begun === undefined ? undefined : begun(upload.begun);
      /** Where the next byte goes; unknown after a failure. */
      let offset: number | undefined;
      let furthest = 0;

      async function begin(): Promise<URL> {
        const path = pathOf(repository, "blobs/uploads/");
        const reply = await calls.ask({ method: "POST", path, scopes, signal, body: new Uint8Array() });
        if (reply.status !== 202) throw await calls.failure(reply);
        reply.discard();
        const place = locationIn(reply);
        offset = 0;
        await upload?.keep(place.href);
        return place;
      }

      /** How much of it arrived; `undefined` where the upload is no more. */
      async function arrived(place: URL): Promise<number | undefined> {
        const reply = await calls.ask({ method: "GET", path: place, scopes, signal });
        if (reply.status >= 500 || reply.status === 429 || reply.status === 401) throw await calls.failure(reply);
        reply.discard();
        const { range } = reply.headers;
        if ((reply.status !== 204 && reply.status !== 202) || typeof range !== "string") return undefined;
        if (reply.headers.location !== undefined) location = locationIn(reply);
        const [, last] = /^(?:bytes=)?0-(-1|\d{1,15})$/.exec(range) ?? [];
        // Of no byte and of one the answer is the same; should it be one, the registry refuses it, and all is sent again.
        const bytes = last === undefined || last === "0" ? 0 : Number(last) + 1;
        return bytes <= sizeBytes ? bytes : undefined;
      }

      async function append(place: URL, from: number): Promise<URL> {
        const headers: Record<string, string> = { "content-type": "application/octet-stream" };
        // Some take a range for a chunk of many: the first goes as a stream.
        if (from > 0) headers["content-range"] = `${from}-${sizeBytes - 1}`;
        const body = { sizeBytes: sizeBytes - from, bytes: () => open(from), sent };
        const reply = await calls.ask({ method: "PATCH", path: place, scopes, signal, headers, body });
        if (reply.status < 200 || reply.status > 204) throw await calls.failure(reply);
        reply.discard();
        return reply.headers.location === undefined ? place : locationIn(reply);
      }

      async function finish(place: URL, from: number): Promise<void> {
        const path = new URL(`${place.href}${place.search === "" ? "?" : "&"}digest=${digest}`);
        const headers = { "content-type": "application/octet-stream" };
        const body =
          from === sizeBytes ? new Uint8Array() : { sizeBytes: sizeBytes - from, bytes: () => open(from), sent };
        const reply = await calls.ask({ method: "PUT", path, scopes, signal, headers, body });
        if (reply.status !== 201 && reply.status !== 204 && reply.status !== 200) throw await calls.failure(reply);
        reply.discard();
      }

      for (let failures = 0; ; ) {
        try {
          if (location && offset === undefined) {
            offset = await arrived(location);
            // It may be gone because all was well, and only the answer was lost.
            if (offset === undefined) {
              location = undefined;
              if (failures > 0 && (await statBlob(repository, digest, { signal }))) return;
            }
          }
          location ??= await begin();
          const from: number = offset ?? 0;
          if (from > furthest) {
            furthest = from;
            failures = 0;
          }
          offset = undefined;
          if (from === 0 && sizeBytes <= maxSingleBytes) return await finish(location, 0);
          if (from < sizeBytes) location = await append(location, from);
          return await finish(location, sizeBytes);
        } catch (error) {
          if (!(error instanceof RemoteFailure)) throw error;
          const { status } = error.facts;
          // An upload that is no more, or has other bytes than it said, is begun again.
          const isLost = error.problem === "refused" && (status === 404 || status === 416) && location !== undefined;
          if (!isLost && error.problem !== "unavailable") throw error;
          if (++failures >= maxFailures) throw error;
          if (isLost) location = undefined;
          offset = undefined;
          await pause(pauseMs * 2 ** (failures - 1) * (0.5 + Math.random()), undefined, { signal }).catch(() =>
            signal.throwIfAborted(),
          );
        }
      }

      function begun(kept: string): URL | undefined {
        return URL.canParse(kept) ? checkedLocation(new URL(kept)) : undefined;
      }
    },

    async putManifest(repository, reference, { mediaType, bytes }, { signal }) {
      const path = manifestPath(repository, reference);
      const headers = { "content-type": mediaType };
      const scopes = [pushScope(repository)];
      const reply = await calls.ask({ method: "PUT", path, scopes, signal, headers, body: bytes });
      if (reply.status < 200 || reply.status > 204) throw await calls.failure(reply);
      reply.discard();
    },

    async deleteManifest(repository, reference, { signal }) {
      const path = manifestPath(repository, reference);
      const reply = await calls.ask({ method: "DELETE", path, scopes: [deleteScope(repository)], signal });
      const isDone = reply.status >= 200 && reply.status <= 204;
      if (!isDone && reply.status !== 404) throw await calls.failure(reply);
      reply.discard();
      return isDone;
    },
  };
}
