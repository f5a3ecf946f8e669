import { type KeyId, keyArn } from "../names.ts";
import type { KeyMetadata, KeyWrapper, MaterialName } from "./ports.ts";
import { addMaterial } from "./rotation.ts";
import { ensureServerKey, serverKeyId } from "./server-key.ts";

/** What is done with keys by the way. Each may be done by several machines at once. */

export interface UpkeepParts {
  readonly metadata: KeyMetadata;
  readonly wrapper: KeyWrapper;
  readonly clock: () => Date;
}

const dueAtOnce = 100;
const rewrappedAtOnce = 200;

/** Destroys keys whose time has come, and rotates those that rotate by themselves. */
export async function tendKeys(
  { metadata, wrapper, clock }: UpkeepParts,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<{ destroyed: number; rotated: number }> {
  const done = { destroyed: 0, rotated: 0 };
  for (;;) {
    const due = await metadata.read.keys.due(clock(), dueAtOnce);
    const before = done.destroyed + done.rotated;
    for (const key of due) {
      signal?.throwIfAborted();
      if (key.state === "PendingDeletion") {
        if (await destroy(key.id)) done.destroyed++;
      } else if (await addMaterial({ metadata, wrapper, clock }, key, "AUTOMATIC")) done.rotated++;
    }
    if (due.length < dueAtOnce || done.destroyed + done.rotated === before) return done;
  }

  /** Looked at again: somebody may have cancelled it. */
  function destroy(id: KeyId): Promise<boolean> {
    return metadata.transact(async ({ keys }) => {
      const key = await keys.lock(id);
      if (key?.state !== "PendingDeletion" || !key.deletionAt || key.deletionAt > clock()) return false;
      await keys.destroy(id);
      return true;
    });
  }
}

/** Gives the server's own key new material, or makes the key. Answers the version that encrypts from now on. */
export async function addServerMaterial(parts: UpkeepParts): Promise<number> {
  const before = await parts.metadata.read.keys.find(serverKeyId);
  if (before) await addMaterial(parts, before, "ON_DEMAND");
  else await ensureServerKey(parts);
  const key = await parts.metadata.read.keys.find(serverKeyId);
  if (!key) throw new Error("the server's own key is not there");
  return key.version;
}

/** Wraps with the master key of today what another one has wrapped. Nothing that is encrypted changes by it. */
export async function rewrapMaterials({ metadata, wrapper }: Omit<UpkeepParts, "clock">): Promise<number> {
  let rewrapped = 0;
  let after: MaterialName | undefined;
  for (;;) {
    const materials = await metadata.read.keys.allMaterials({ after, limit: rewrappedAtOnce });
    for (const { id, version, wrapped } of materials) {
      if (await wrapper.isCurrent(wrapped)) continue;
      const key = await metadata.read.keys.find(id);
      if (!key) continue;
      const name = keyArn(key.registry, id);
      const anew = await wrapper.wrap(await wrapper.unwrap(wrapped, name, version), name, version);
      await metadata.transact(({ keys }) => keys.rewrap({ id, version }, wrapped, anew));
      rewrapped++;
    }
    const last = materials.at(-1);
    if (!last || materials.length < rewrappedAtOnce) return rewrapped;
    after = { id: last.id, version: last.version };
  }
}
