import { setTimeout as pause } from "node:timers/promises";
import type { Bytes } from "../../domain/registry/ports.ts";
import { RemoteFailure, type RemoteRegistry } from "../../domain/registry/remote-registry.ts";
import type { Calls } from "./calls.ts";
import { checkedLocation, locationIn } from "./locations.ts";
import { pathOf, pushScope } from "./paths.ts";

/** Up to so much goes with the request that ends the upload: for more it is worth it to be able to go on. */
const maxSingleBytes = 1024 * 1024;
/** Failures in a row of which none let more bytes through. */
const maxFailures = 5;

export interface UploadingParts {
  readonly calls: Calls;
  readonly origin: URL;
  readonly statBlob: RemoteRegistry["statBlob"];
  /** Before something is tried again; twice that before the next. */
  readonly pauseMs: number;
}

type PutBlob = RemoteRegistry["putBlob"];

/** How far an upload is known to be. */
interface Place {
  readonly url: URL;
  readonly offset: number;
  /** Whether somebody sent bytes there before us. */
  readonly isResumed: boolean;
}

export function createUploading({ calls, origin, statBlob, pauseMs }: UploadingParts): PutBlob {
  return async (repository, blob, open, { signal, upload, sent }) => {
    const steps = uploadSteps(calls, origin, repository, blob, open, { signal, sent });
    const isSmall = blob.sizeBytes <= maxSingleBytes;
    let left: URL | undefined;
    if (upload?.begun !== undefined && !isSmall && URL.canParse(upload.begun)) {
      left = checkedLocation(new URL(upload.begun), origin);
    }
    let furthest = 0;
    let misplaced = 0;

    for (let failures = 0; ; ) {
      let place: Place | undefined;
      try {
        place = left && (await steps.arrived(left));
        // It may be gone because all was well, and only the answer was lost.
        if (left && !place && failures > 0 && (await statBlob(repository, blob.digest, { signal }))) return;
        if (!place) {
          place = await steps.begin();
          await upload?.keep(place.url.href);
        }
        left = place.url;
        if (place.offset > furthest) {
          furthest = place.offset;
          failures = 0;
        }
        if (!isSmall && place.offset < blob.sizeBytes) {
          place = await steps.append(place);
          left = place.url;
        }
        return await steps.finish(place);
      } catch (error) {
        if (!(error instanceof RemoteFailure)) throw error;
        const isMisplaced = error.problem === "refused" && error.facts.status === 416;
        if (isMisplaced) misplaced++;
        // An upload that is no more, or has other bytes than it says, is begun again.
        const isLost = place !== undefined && (misplaced > 1 || isGone(error, place));
        if (error.problem !== "unavailable" && !isLost && !(isMisplaced && place)) throw error;
        if (++failures >= maxFailures) throw error;
        if (isLost || isSmall) left = undefined;
        if (isLost) misplaced = 0;
        await backOff(pauseMs * 2 ** (failures - 1), signal);
      }
    }
  };
}

function isGone({ problem, facts }: RemoteFailure, { isResumed }: Place): boolean {
  return problem === "refused" && (facts.status === 404 || (isResumed && facts.code === "DIGEST_INVALID"));
}

/** Not all at the same time. */
async function backOff(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms * (0.5 + Math.random()), undefined, { signal }).catch(() => signal.throwIfAborted());
}

/** The requests of an upload (distribution specification, "Pushing Blobs"). */
function uploadSteps(
  calls: Calls,
  origin: URL,
  repository: string,
  { digest, sizeBytes }: Parameters<PutBlob>[1],
  open: (offset: number) => Bytes,
  { signal, sent }: Pick<Parameters<PutBlob>[3], "signal" | "sent">,
) {
  const scopes = [pushScope(repository)];
  const type = { "content-type": "application/octet-stream" };
  const rest = (offset: number) => ({ sizeBytes: sizeBytes - offset, bytes: () => open(offset), sent });

  return {
    async begin(): Promise<Place> {
      const path = pathOf(repository, "blobs/uploads/");
      const reply = await calls.ask({ method: "POST", path, scopes, signal, body: new Uint8Array() });
      if (reply.status !== 202) throw await calls.failure(reply);
      reply.discard();
      return { url: locationIn(reply, origin), offset: 0, isResumed: false };
    },

    /** How much of it arrived; `undefined` where the upload is no more. */
    async arrived(url: URL): Promise<Place | undefined> {
      const reply = await calls.ask({ method: "GET", path: url, scopes, signal });
      if (reply.status >= 500 || [401, 403, 429].includes(reply.status)) throw await calls.failure(reply);
      reply.discard();
      const { range, location } = reply.headers;
      if ((reply.status !== 204 && reply.status !== 202) || typeof range !== "string") return undefined;
      const [, last] = /^(?:bytes=)?0-(-1|\d{1,15})$/.exec(range) ?? [];
      // Of no byte and of one the answer is the same; should it be one, the registry refuses what is sent for none.
      const offset = last === undefined || last === "0" ? 0 : Number(last) + 1;
      if (offset > sizeBytes) return undefined;
      return { url: location === undefined ? url : locationIn(reply, origin), offset, isResumed: true };
    },

    async append(place: Place): Promise<Place> {
      const { url, offset, isResumed } = place;
      // What broke may still be written there while we ask. Bytes that say where they belong are refused after those.
      const range = isResumed && { "content-range": `${offset}-${sizeBytes - 1}` };
      const headers = { ...type, ...range };
      const reply = await calls.ask({ method: "PATCH", path: url, scopes, signal, headers, body: rest(offset) });
      if (reply.status < 200 || reply.status > 204) throw await calls.failure(reply);
      reply.discard();
      const next = reply.headers.location === undefined ? url : locationIn(reply, origin);
      return { url: next, offset: sizeBytes, isResumed };
    },

    async finish({ url, offset }: Place): Promise<void> {
      const path = new URL(`${url.href}${url.search === "" ? "?" : "&"}digest=${digest}`);
      const body = offset === sizeBytes ? new Uint8Array() : rest(offset);
      const reply = await calls.ask({ method: "PUT", path, scopes, signal, headers: type, body });
      if (![200, 201, 204].includes(reply.status)) throw await calls.failure(reply);
      reply.discard();
    },
  };
}
