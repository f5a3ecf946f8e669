import type { Arn } from "../../domain/names.ts";
import { SourceUnreadable } from "../../domain/registry/copy.ts";
import { keyOf } from "../../domain/registry/encryption.ts";
import { type Pace, paced } from "../../domain/registry/pace.ts";
import type { BlobId, BlobStore, Bytes, KeyScope, StoredBlob } from "../../domain/registry/ports.ts";

/**
 * Sealed copies go into a backup and out of it as they are: nothing of them is ever there in plain text, each stays under the
 * key that it is under, and a key that is disabled, or gone for good, keeps what it keeps.
 */

/** Copies that nobody could look into, because their key could not be used. */
export interface Unverified {
  /** Absent for the server's own. */
  readonly key?: Arn;
  readonly because: string;
  readonly blobs: number;
}

export interface UnverifiedCopies {
  add(scope: KeyScope, because: string): void;
  list(): Unverified[];
}

export function createUnverified(): UnverifiedCopies {
  const scopes = new Map<KeyScope, { because: string; blobs: number }>();
  return {
    add(scope, because) {
      const known = scopes.get(scope) ?? { because, blobs: 0 };
      known.blobs++;
      scopes.set(scope, known);
    },
    list: () =>
      [...scopes].map(([scope, { because, blobs }]) => {
        const key = keyOf(scope);
        return { ...(key ? { key } : {}), because, blobs };
      }),
  };
}

/** @throws SourceUnreadable, StorageFull, and whatever writing throws */
export function moveSealed(blob: BlobId, from: BlobStore, to: BlobStore, pace: Pace): Promise<StoredBlob> {
  return to.adopt(blob, readable(paced(from.stored(blob), pace)));
}

async function* readable(bytes: Bytes): Bytes {
  try {
    yield* bytes;
  } catch (cause) {
    throw new SourceUnreadable(`it cannot be read: ${(cause as Error).message}`, { cause });
  }
}
