import { expect, test } from "bun:test";
import type { UploadId } from "../names.ts";
import type { BlobStore, Metadata, Nouns, StagingId, Upload } from "./ports.ts";
import { expireUploads } from "./upload-expiry.ts";

const at = (hour: number) => new Date(Date.UTC(2030, 0, 1, hour));
const upload = (id: string, updatedAt: Date) =>
  ({ id: id as UploadId, staging: `${id}-bytes` as StagingId, updatedAt }) as Upload;

/** Sessions as they are listed, and as they are when they are claimed a moment later. */
function world(listed: Upload[], now: Map<string, Upload>) {
  const log: string[] = [];
  const uploads = {
    stale: async () => listed,
    owns: async () => false,
    claim: async (id: UploadId) => {
      const upload = now.get(id);
      return upload && { upload, previous: false };
    },
    release: async (id: UploadId) => void log.push(`release ${id}`),
    delete: async (id: UploadId) => void log.push(`delete ${id}`),
  };
  const nouns = { uploads } as unknown as Nouns;
  const metadata = { read: nouns, transact: (work: (nouns: Nouns) => unknown) => work(nouns) } as unknown as Metadata;
  const blobs = {
    abort: async (staging: StagingId) => void log.push(`abort ${staging}`),
    async *stale() {
      yield "orphan" as StagingId;
    },
  } as unknown as BlobStore;
  return { log, stores: { metadata, blobs, clock: () => at(9) } };
}

test("drops what nobody touched, and bytes that nobody owns; leaves what a client came back to", async () => {
  const [old, touched, gone] = [upload("old", at(1)), upload("touched", at(1)), upload("gone", at(1))];
  const { log, stores } = world(
    [old, touched, gone],
    new Map([
      ["old", old],
      ["touched", upload("touched", at(8))],
    ]),
  );
  expect(await expireUploads(stores, at(5))).toEqual({ sessions: 1, orphans: 1 });
  expect(log).toEqual(["delete old", "abort old-bytes", "release touched", "abort orphan"]);
});
