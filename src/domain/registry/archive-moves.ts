import { Refusal } from "../errors.ts";
import { copyBlob, SourceUnreadable } from "./copy.ts";
import { eachOf } from "./each.ts";
import { BlobDamaged } from "./encryption.ts";
import { createPace } from "./pace.ts";
import type { BlobId, Image, Metadata, PlacedBlob, Tiers } from "./ports.ts";
import { activateIfThere } from "./storage-class.ts";

/**
 * Where there is a store for the archive, blobs that only archived images refer to are kept in it, and come back when
 * another image needs them. Each goes in this order, and a crash between any two leaves work for the next run:
 *
 * 1. The other store gets a copy, with a generation of its own, hashed on its way. If it ends here, it is a stray.
 * 2. One transaction looks again whether the blob is to move, names the new copy in its row, and notes the old one as to be
 *    removed. From here on readers go to the new one; before, to the old one. One of them is always named.
 * 3. A collection removes the old copy, when nobody can be about to read it any more.
 */
export interface MoveParts {
  readonly metadata: Metadata;
  readonly tiers: Tiers;
  readonly clock: () => Date;
}

export interface MovedBlobs {
  readonly archived: number;
  readonly restored: number;
  readonly bytes: number;
  /** Images that have come out of the archive. */
  readonly activated: number;
}

export interface MoveOptions {
  readonly signal?: AbortSignal;
  /** Told of blobs that stay where they are for now. */
  failed?(blob: BlobId, error: unknown): void;
}

/** Few, since whoever restores an image waits for those that are under way. */
const atOnce = 16;
/** Who has looked up where the old copy is begins to read it within moments. */
const removeAfterMs = 60 * 60_000;
/** What could not be moved is tried again after so long: its key may be locked, its store away. */
const retryAfterMs = 60 * 60_000;
/** More than a manifest of the largest size can name. */
const maxBlobsOfImage = 100_000;

/**
 * Brings everything to where it belongs; first what somebody waits for. Safe to run twice, also at the same time.
 * @throws StorageFull
 */
export async function moveBlobs({ metadata, tiers, clock }: MoveParts, options: MoveOptions = {}): Promise<MovedBlobs> {
  const { signal, failed } = options;
  const { blobPlaces } = metadata.read;
  const moved = { archived: 0, restored: 0, bytes: 0, activated: 0 };
  const pace = createPace(0);
  const begun = clock();
  /** Images that have to wait for the next run. */
  const stuck = new Set<number>();

  await activate();
  for (;;) {
    const page: PlacedBlob[] = await blobPlaces.misplaced(begun, atOnce);
    if (page.length === 0) return moved;
    await eachOf(page, place);
    await activate();
  }

  async function place(blob: PlacedBlob): Promise<void> {
    const isRight = (await blobPlaces.isNeeded(blob)) !== blob.isInArchive;
    if (isRight) return settle(blob);
    // Out of the way of others; also where somebody else moves it at this moment.
    if (!(await move(blob))) await settle(blob, new Date(clock().getTime() + retryAfterMs));
  }

  async function settle(blob: PlacedBlob, until?: Date): Promise<void> {
    await metadata.transact((nouns) => nouns.blobPlaces.settle(blob, until), { durable: false });
  }

  /** Images that are on their way: their blobs come back, and they are active when all are there. */
  async function activate(): Promise<void> {
    for (let after: number | undefined; ; ) {
      const page: Image[] = await blobPlaces.activating({ after, limit: atOnce });
      for (const image of page) {
        if (stuck.has(image.id)) continue;
        await eachOf(await blobPlaces.archivedOf([image.id], maxBlobsOfImage), async (blob) => void (await move(blob)));
        if (await metadata.transact((nouns) => activateIfThere(nouns, image, clock()))) moved.activated++;
        else stuck.add(image.id);
      }
      after = page.at(-1)?.id;
      if (page.length < atOnce) return;
    }
  }

  /** Answers whether it is in the other store now. */
  async function move(blob: PlacedBlob): Promise<boolean> {
    signal?.throwIfAborted();
    try {
      const isMoved = await carry(blob);
      if (!isMoved) return false;
      moved.bytes += blob.sizeBytes;
      if (blob.isInArchive) moved.restored++;
      else moved.archived++;
      return true;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Refusal && error.is("StorageFull")) throw error;
      failed?.(blob, error);
      // Nobody may read it, and nobody waits for it: pushed again, it is sound.
      if (isDamage(error)) await metadata.transact(({ blobs }) => blobs.quarantine(blob, clock()));
      return false;
    }
  }

  async function carry(blob: PlacedBlob): Promise<boolean> {
    const [from, to] = blob.isInArchive ? [tiers.archive, tiers.standard] : [tiers.standard, tiers.archive];
    const copy = await copyBlob(blob, blob.scope, from, to, pace);
    const removeAt = new Date(clock().getTime() + removeAfterMs);
    const isMoved = await metadata.transact(async (nouns) => {
      // An image may have come that needs it where it is, or gone that needed it.
      const isWanted = (await nouns.blobPlaces.isNeeded(blob)) === blob.isInArchive;
      return isWanted && nouns.blobPlaces.move(blob, copy, removeAt);
    });
    if (!isMoved) await to.remove(copy).catch(() => {}); // else it is a stray
    return isMoved;
  }
}

/** Of the copy itself, and not of a store or a key that is away. */
function isDamage(error: unknown): boolean {
  if (error instanceof SourceUnreadable) return error.cause instanceof BlobDamaged;
  return error instanceof Refusal && error.is("LayerDigestMismatch");
}
