import type { Destination } from "./places.ts";

/** A destination that is asked what is there, and to which nothing is done. What would be put counts as put. */
export function pretending(destination: Destination): Destination {
  const put = new Set<string>();
  const key = (repository: string, digest: string) => `${repository}@${digest}`;
  return {
    ...destination,
    prepare: async () => {},
    hasBlob: async (repository, blob, options) =>
      put.has(key(repository, blob.digest)) || destination.hasBlob(repository, blob, options),
    mount: async () => destination.mounts,
    async putBlob(repository, { digest, sizeBytes }, _open, { sent }) {
      put.add(key(repository, digest));
      sent(sizeBytes);
    },
    putManifest: async () => {},
    linkReferrers: async () => {},
    finish: async () => {},
  };
}
