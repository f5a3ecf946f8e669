import type { Encryption, KeyScope } from "./ports.ts";

/** Blobs of repositories with encryption type AES256. */
export const serverScope = "" as KeyScope;

/** Repositories of one scope share copies of blobs; others never do. */
export function scopeOf(encryption: Encryption): KeyScope {
  return encryption.type === "AES256" ? serverScope : (`${encryption.type}:${encryption.key}` as KeyScope);
}

/** A sealed copy, or the key that is kept with it, is not what was stored. Nothing of what is wrong gets to a reader. */
export class BlobDamaged extends Error {
  override readonly name = "BlobDamaged";
}
