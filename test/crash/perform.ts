import { Refusal } from "../../src/domain/errors.ts";
import type { RepositoryName, Tag, UploadId } from "../../src/domain/names.ts";
import { collectGarbage, sweepStrays } from "../../src/domain/registry/collection.ts";
import type { Bytes, Content } from "../../src/domain/registry/ports.ts";
import { expireUploads } from "../../src/domain/registry/upload-expiry.ts";
import type { Berth } from "./berth.ts";
import { blobAt, digestFor, imageAt } from "./content.ts";
import type { Outcome } from "./explain.ts";
import { Crashed } from "./faults.ts";
import type { Operation, SlotFacts } from "./model.ts";

/** A promise that was broken. */
export class Loss extends Error {
  override readonly name = "Loss";
}

/** Of garbage. Longer than it takes for a question to put a collection off, see src/domain/registry/layers.ts. */
export const graceMs = 120_000;

/** What a client has noted of its uploads, and what it sees while it goes on with one. */
export interface Client {
  readonly slots: ReadonlyMap<number, SlotFacts>;
  uploadId(slot: number): UploadId | undefined;
  /** Uploads untouched since then are to go. */
  readonly expireBefore: Date;
  readFile(path: string): Promise<Buffer>;
}

export interface Performed {
  readonly operation: Operation;
  readonly outcome: Outcome;
  /** The id of the upload that was begun. */
  readonly upload?: UploadId;
  /** The size that the upload said it had, before the operation. */
  readonly seenBytes?: number;
  /** And after it. */
  readonly reachedBytes?: number;
  /** The error, where it was none of those that Berth means. */
  readonly error?: Error;
}

type Noted = { -readonly [Key in "upload" | "seenBytes" | "reachedBytes"]?: Performed[Key] };

/** Never fails, unless a promise was broken. */
export async function perform(berth: Berth, client: Client, operation: Operation): Promise<Performed> {
  const noted: Noted = {};
  const ended = (outcome: Outcome, error?: Error) => ({ operation, outcome, ...noted, error });
  try {
    const status = await run(berth, client, operation, noted);
    return ended(status === "skipped" ? { status } : { status: "done" });
  } catch (error) {
    if (error instanceof Loss) throw error;
    if (error instanceof NotMounted) return ended({ status: "refused", code: "NotMounted" });
    if (error instanceof Refusal && error.code !== "StorageFull") return ended({ status: "refused", code: error.code });
    const why = error instanceof Error ? error.message : String(error);
    const isOurs = error instanceof Crashed || error instanceof Refusal;
    return ended(
      { status: "unknown", why: isOurs ? (error as Error).name : why },
      isOurs ? undefined : (error as Error),
    );
  }
}

class NotMounted extends Error {}

async function run(berth: Berth, client: Client, operation: Operation, noted: Noted): Promise<"skipped" | undefined> {
  const { granted, repositories, layers, images } = berth;
  const name = ("repository" in operation ? operation.repository : "") as RepositoryName;
  switch (operation.kind) {
    case "createRepository":
      await repositories.create(granted, { name, tagMutability: operation.immutable ? "IMMUTABLE" : "MUTABLE" });
      return;
    case "deleteRepository":
      await repositories.delete(granted, name, { force: operation.force });
      return;
    case "push":
      await push(berth, name, operation);
      return;
    case "begin": {
      const { algorithm } = blobAt(operation.blob);
      noted.upload = (await layers.begin(granted, name, algorithm)).id;
      return;
    }
    case "append":
    case "complete":
    case "cancel":
      return goOn(berth, client, operation, noted);
    case "mount": {
      const from = operation.from as RepositoryName | undefined;
      const source = { from, mayRead: async () => true };
      if (!(await layers.mount(granted, name, blobAt(operation.blob).digest, source))) throw new NotMounted();
      return;
    }
    case "put": {
      const { manifest, mediaType, digest } = imageAt(operation.image);
      await images.put(granted, name, { manifest, mediaType, digest, tags: operation.tags as Tag[] });
      return;
    }
    case "deleteTag":
      await images.deleteTag(granted, name, operation.tag as Tag);
      return;
    case "deleteImage":
      await images.deleteImage(granted, name, imageAt(operation.image).digest);
      return;
    case "deleteByApi": {
      const digest = operation.image === undefined ? undefined : imageAt(operation.image).digest;
      await images.deleteByApi(granted, name, { digest, tag: operation.tag as Tag | undefined });
      return;
    }
    case "deleteBlob":
      await layers.delete(granted, name, blobAt(operation.blob).digest);
      return;
    case "pull":
      await pull(berth, client, name, operation.image);
      return;
    case "flushPullTimes":
      await berth.pullTimes.flush();
      return;
    case "expireUploads":
      await expireUploads(berth, client.expireBefore);
      return;
    case "ask":
      await layers.stat(granted, name, blobAt(operation.blob).digest);
      return;
    case "collect":
      // What could not be removed is tried again by the next one.
      await collectGarbage(berth, { graceMs, failed() {} });
      return;
    case "sweep":
      await sweepStrays(berth);
      return;
  }
}

async function push(
  { granted, layers }: Berth,
  name: RepositoryName,
  { blob, how }: Operation & { kind: "push" },
): Promise<void> {
  const { bytes, digest, algorithm } = blobAt(blob);
  if (how === "lie") {
    // Bytes of another length, so that they are nobody's blob.
    await layers.push(granted, name, digest, inChunks(Buffer.concat([bytes, Buffer.from("?")])));
  } else {
    await layers.push(granted, name, digestFor(bytes, algorithm), inChunks(bytes, how === "break"));
  }
}

/** As a client does it: ask how far the upload is, and go on from there. */
async function goOn(
  { granted, layers }: Berth,
  client: Client,
  operation: Operation & { kind: "append" | "complete" | "cancel" },
  noted: Noted,
): Promise<"skipped" | undefined> {
  const slot = client.slots.get(operation.slot);
  const id = client.uploadId(operation.slot);
  if (!slot || !id) return "skipped";
  const name = slot.repository as RepositoryName;
  const { bytes, digest } = blobAt(slot.blob);
  const offset = (await layers.status(granted, name, id)).staged.sizeBytes;
  noted.seenBytes = offset;
  if (operation.kind === "cancel") {
    await layers.cancel(granted, name, id);
  } else if (operation.kind === "append") {
    const part = bytes.subarray(offset, offset + operation.sizeBytes);
    const options = { offset, sizeBytes: part.length };
    const after = await layers.append(granted, name, id, inChunks(part, operation.how === "break"), options);
    noted.reachedBytes = after.staged.sizeBytes;
  } else {
    const rest = bytes.subarray(offset);
    const wanted =
      operation.how === "lie" ? digestFor(Buffer.from(`not ${digest}`), blobAt(slot.blob).algorithm) : digest;
    const body = rest.length > 0 ? { bytes: inChunks(rest) } : {};
    await layers.complete(granted, name, id, [wanted], { offset, ...body });
  }
  return undefined;
}

async function pull(
  { granted, layers, images }: Berth,
  client: Client,
  name: RepositoryName,
  image: number,
): Promise<void> {
  const expected = imageAt(image);
  const { manifest } = await images.get(granted, name, { digest: expected.digest });
  if (!expected.manifest.equals(manifest)) throw new Loss(`the manifest of image ${image} has other bytes`);
  for (const layer of expected.layers) {
    const { bytes, digest } = blobAt(layer);
    const read = await layers.read(granted, name, digest);
    const content = await bytesOf(client, read.content);
    if (!content.equals(bytes)) throw new Loss(`blob ${layer} has other bytes than were pushed`);
  }
}

export async function bytesOf(client: Pick<Client, "readFile">, content: Content): Promise<Buffer> {
  if (content.kind === "stream") return Buffer.concat(await Array.fromAsync(content.stream()));
  if (content.kind === "bytes") return Buffer.from(content.bytes);
  return (await client.readFile(content.path)).subarray(content.offset, content.offset + content.sizeBytes);
}

const chunkBytes = 24_000;

async function* inChunks(bytes: Buffer, breaks = false): Bytes {
  const until = breaks ? bytes.length >> 1 : bytes.length;
  for (let at = 0; at < until; at += chunkBytes) yield bytes.subarray(at, Math.min(at + chunkBytes, until));
  if (breaks) throw new Error("the client went away");
}
