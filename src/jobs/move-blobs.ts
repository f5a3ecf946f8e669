import { z } from "zod";
import { jobKind } from "../domain/jobs/kinds.ts";
import { type MovedBlobs, type MoveOptions, type MoveParts, moveBlobs } from "../domain/registry/archive-moves.ts";
import { type JobHandler, jobHandler } from "./handler.ts";

export const moveBlobsKind = jobKind<Record<string, never>>("registry.move-blobs", { maxAttempts: 3 });

export interface MoveReports extends Pick<MoveOptions, "failed"> {
  moved(moved: MovedBlobs): void;
}

/**
 * Brings blobs of archived images into the archive's store, and back. May run twice: whoever comes second finds another
 * copy in the row and drops its own. Without such a store there is nothing to do.
 */
export function moveBlobsHandler(
  { tiers, ...parts }: Omit<MoveParts, "tiers"> & Partial<Pick<MoveParts, "tiers">>,
  { moved, failed }: MoveReports,
): JobHandler {
  return jobHandler({
    kind: moveBlobsKind,
    payload: z.strictObject({}),
    atOnce: 1,
    // A whole registry may have to move.
    timeoutMs: 12 * 60 * 60_000,
    async run(_, { signal }) {
      if (tiers) moved(await moveBlobs({ ...parts, tiers }, { signal, failed }));
    },
  });
}
