import type { BlobId, BlobStore } from "../../domain/registry/ports.ts";

/**
 * Two stores as one: what comes goes to the first, and copies are found in either. No two copies have the same generation,
 * so whichever has one has the one that is meant.
 */
export function twoTiers(standard: BlobStore, archive: BlobStore): BlobStore {
  const holderOf = async (blob: BlobId) => ((await standard.stat(blob)) ? standard : archive);
  // Verb by verb: of a new one, somebody has to say where it goes.
  return {
    begin: standard.begin,
    append: standard.append,
    staged: standard.staged,
    commit: standard.commit,
    store: standard.store,
    adopt: standard.adopt,
    stat: async (blob) => (await standard.stat(blob)) ?? archive.stat(blob),
    read: async (blob, range) => (await standard.read(blob, range)) ?? archive.read(blob, range),
    async *bytes(blob, from) {
      yield* (await holderOf(blob)).bytes(blob, from);
    },
    async *stored(blob) {
      yield* (await holderOf(blob)).stored(blob);
    },
    // Copies on their way into the archive are uploads of its own, and may be abandoned as others are.
    async abort(staging) {
      await standard.abort(staging);
      await archive.abort(staging);
    },
    remove: async (blob) => (await standard.remove(blob)) + (await archive.remove(blob)),
    list: (after) => merged(standard.list(after), archive.list(after)),
    async *stale(before) {
      yield* standard.stale(before);
      yield* archive.stale(before);
    },
    async close() {
      await standard.close();
      await archive.close();
    },
  };
}

/** Both lists are in the order of digests and generations, and so is what comes of them. */
async function* merged<Blob extends BlobId>(first: AsyncIterable<Blob>, second: AsyncIterable<Blob>) {
  const [left, right] = [first[Symbol.asyncIterator](), second[Symbol.asyncIterator]()];
  try {
    let [a, b] = [await left.next(), await right.next()];
    while (!a.done || !b.done) {
      if (b.done || (!a.done && isBefore(a.value, b.value))) {
        if (!a.done) yield a.value;
        a = await left.next();
      } else {
        yield b.value;
        b = await right.next();
      }
    }
  } finally {
    await left.return?.();
    await right.return?.();
  }
}

function isBefore(a: BlobId, b: BlobId): boolean {
  return a.digest === b.digest ? a.generation < b.generation : a.digest < b.digest;
}
