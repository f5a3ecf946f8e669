import type { Arn } from "../names.ts";
import type { Encryption, Generation, KeyScope, StagingId } from "./ports.ts";

/** Blobs of repositories with encryption type AES256. */
export const serverScope = "" as KeyScope;

/** Repositories of one scope share copies of blobs; others never do. */
export function scopeOf(encryption: Encryption): KeyScope {
  return encryption.type === "AES256" ? serverScope : (`${encryption.type}:${encryption.key}` as KeyScope);
}

/** The key that its users manage; `undefined` for the server's own. */
export function keyOf(scope: KeyScope): Arn | undefined {
  return scope === serverScope ? undefined : (scope.slice(scope.indexOf(":") + 1) as Arn);
}

export const sealedEnding = ".sealed";

/**
 * Of an upload, and of the copy that came from it: whether it can be read with its key only. The others are from before, or
 * left to an encrypted volume.
 */
export function isSealed(id: StagingId | Generation): boolean {
  return id.endsWith(sealedEnding);
}

/** A sealed copy, or the key that is kept with it, is not what was stored. Nothing of what is wrong gets to a reader. */
export class BlobDamaged extends Error {
  override readonly name = "BlobDamaged";
}
