/** Bytes of manifests, by image id. An id is never given twice and what it names never changes, so nothing goes stale. */
export interface ManifestCache {
  get(imageId: number): Uint8Array | undefined;
  set(imageId: number, bytes: Uint8Array): void;
}

/** What an entry costs beside its bytes. */
const entryBytes = 200;

/** Keeps those that were asked for last, in `limitBytes` of memory. One manifest may take an eighth of it. */
export function createManifestCache(limitBytes: number): ManifestCache {
  /** Least recently used first. */
  const entries = new Map<number, Uint8Array>();
  let usedBytes = 0;
  function drop(imageId: number): void {
    const bytes = entries.get(imageId);
    if (!bytes) return;
    entries.delete(imageId);
    usedBytes -= bytes.length + entryBytes;
  }
  return {
    get(imageId) {
      const bytes = entries.get(imageId);
      if (!bytes) return undefined;
      entries.delete(imageId);
      entries.set(imageId, bytes);
      return bytes;
    },
    set(imageId, bytes) {
      drop(imageId);
      if ((bytes.length + entryBytes) * 8 > limitBytes) return;
      entries.set(imageId, bytes);
      usedBytes += bytes.length + entryBytes;
      for (const oldest of entries.keys()) {
        if (usedBytes <= limitBytes) return;
        drop(oldest);
      }
    },
  };
}
