import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { digestHex } from "../../domain/names.ts";
import { serverScope } from "../../domain/registry/encryption.ts";
import type { BlobId, BlobStore, Generation, KeyScope } from "../../domain/registry/ports.ts";
import { chunked, digestFor } from "./contract.ts";
import { fileBytesOf } from "./sealed-format.ts";
import { type TestKeys, testKeys } from "./test-keys.ts";

/** What the tests of the store on disk share. */

/** A way in which content lies in its file. */
export interface Form {
  readonly name: string;
  readonly keys?: TestKeys;
  readonly scope: KeyScope;
  /** The size of a file with so much content. */
  storedBytes(contentBytes: number): number;
}

export const plain: Form = { name: "plain", scope: serverScope, storedBytes: (bytes) => bytes };
export const sealed: Form = { name: "sealed", keys: testKeys(), scope: serverScope, storedBytes: fileBytesOf };
export const sealedTwice: Form = {
  name: "sealed twice",
  keys: testKeys(),
  scope: "KMS_DSSE:key" as KeyScope,
  storedBytes: fileBytesOf,
};
export const forms = [plain, sealed, sealedTwice];

/** For folders of blobs, none of which is there yet. */
export function temporaryRoots(): { newRoot(): string; remove(): void } {
  const temporary = mkdtempSync(join(tmpdir(), "berth-blobs-"));
  let roots = 0;
  return {
    newRoot: () => join(temporary, String(roots++), "blobs"),
    remove: () => rmSync(temporary, { recursive: true }),
  };
}

export function pathOf(root: string, { digest, generation }: BlobId): string {
  const hex = digestHex(digest);
  return join(root, digest.slice(0, 6), hex.slice(0, 2), `${hex}.${generation}`);
}

export function filesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** An upload with all its content, and the copy that it will be. */
export async function begun(blobs: BlobStore, content: Uint8Array, scope = serverScope) {
  const staging = await blobs.begin(scope);
  const staged = await blobs.append(staging, 0, chunked(content, [65_536]), { scope, algorithm: "sha256" });
  const digest = digestFor(content);
  return { staging, staged, digest, blob: { digest, generation: staging as string as Generation } };
}

export async function pushed(blobs: BlobStore, content: Uint8Array, scope = serverScope): Promise<BlobId> {
  const { staging, staged, digest, blob } = await begun(blobs, content, scope);
  await blobs.commit(staging, digest, staged, scope);
  return blob;
}
