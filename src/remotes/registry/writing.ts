import { RemoteFailure, type RemoteRegistry } from "../../domain/registry/remote-registry.ts";
import type { Calls } from "./calls.ts";
import { locationIn } from "./locations.ts";
import { checkedName, deleteScope, manifestPath, pathOf, pullScope, pushScope } from "./paths.ts";

type Writing = Pick<RemoteRegistry, "mountBlob" | "putManifest" | "deleteManifest">;

export function createWriting({ calls, origin }: { readonly calls: Calls; readonly origin: URL }): Writing {
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
          path: locationIn(reply, origin),
          scopes: [pushScope(repository)],
          signal,
        });
        cancelled.discard();
      } catch (error) {
        if (!(error instanceof RemoteFailure)) throw error;
      }
      return false;
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
