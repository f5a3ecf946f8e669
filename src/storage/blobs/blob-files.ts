import type { BlobId, ByteRange, Bytes, Content, KeyScope, StagingId } from "../../domain/registry/ports.ts";
import type { Target, Written } from "./transfer.ts";

/** How the content of uploads and copies lies in their files: as it is, or sealed. */
export interface BlobFiles {
  /** How much content a file of this size has. */
  contentBytes(fileBytes: number): number;
  /**
   * The file of an upload, made or emptied.
   * @throws KeyUnusable, and then nothing has changed
   */
  begin(path: string, staging: StagingId, scope: KeyScope): Promise<StagedFile>;
  /** `undefined` when the upload has no file. @throws KeyUnusable, and BlobDamaged when the file was changed */
  resume(path: string, staging: StagingId): Promise<StagedFile | undefined>;
  /** As the store's `read` and `bytes`. */
  read(path: string, blob: BlobId, range?: ByteRange): Promise<Content | undefined>;
  bytes(path: string, blob: BlobId, from?: number): Bytes;
}

export type AppendTo = Pick<Target, "hasher" | "writeBack" | "sync" | "written">;

export interface StagedFile {
  /** How much content is staged, or more than is to be believed: whoever counts knows how much was acknowledged. */
  readonly sizeBytes: number;
  /** Drops what is staged behind `offset` and goes on there. When it throws, what is before `offset` is still staged. */
  append(offset: number, bytes: Bytes, how: AppendTo): Promise<Written>;
  /** The first `sizeBytes` of what is staged, from `from` on. Each batch is the reader's to keep. */
  read(sizeBytes: number, from?: number): Bytes;
  /** Makes the first `sizeBytes` the whole of what is to be published as `blob`. */
  finish(blob: BlobId, sizeBytes: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}
