import type { BlobId, BlobRecord, Metadata, StoredBlob } from "./ports.ts";

const pageSize = 500;

/** Every record, by digest and scope. */
export async function* recordsIn({ read }: Metadata): AsyncIterable<BlobRecord> {
  for (let after: BlobRecord | undefined; ; ) {
    const page: BlobRecord[] = await read.blobs.list({ after, limit: pageSize });
    yield* page;
    after = page.at(-1);
    if (after === undefined) return;
  }
}

/** Every copy that is noted as to be removed, by digest and generation; only those that are due by then, if given. */
export async function* removalsIn({ read }: Metadata, dueBy?: Date): AsyncIterable<StoredBlob> {
  for (let after: BlobId | undefined; ; ) {
    const page: StoredBlob[] = await read.garbage.removals({ after, limit: pageSize }, dueBy);
    yield* page;
    after = page.at(-1);
    if (after === undefined) return;
  }
}
