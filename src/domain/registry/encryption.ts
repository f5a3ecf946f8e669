import type { Arn } from "../names.ts";
import type { BlobId, Encryption, KeyScope } from "./ports.ts";

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

const sealedEnding = ".sealed";

/** Whether the copy can be read with its key only: the others are from before, or left to an encrypted volume. */
export function isSealed({ generation }: Pick<BlobId, "generation">): boolean {
  return generation.endsWith(sealedEnding);
}

/** A sealed copy, or the key that is kept with it, is not what was stored. Nothing of what is wrong gets to a reader. */
export class BlobDamaged extends Error {
  override readonly name = "BlobDamaged";
}
