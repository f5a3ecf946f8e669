import { constants, setPriority } from "node:os";
import { loadConfig } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import { type SealCounts, sealBlobs } from "../domain/registry/sealing.ts";
import { rateOf } from "./check.ts";
import { CommandFailed } from "./failure.ts";
import { createProgress } from "./progress.ts";
import { withStores } from "./stores.ts";
import { count, size } from "./text.ts";

interface SealArguments {
  readonly config?: string;
  readonly data?: string;
  readonly dryRun?: boolean;
  readonly rate: string;
  readonly json?: boolean;
}

/** Ends with 1 also when something is damaged, which stays as it is. */
export async function runSeal({ config: file, data, dryRun = false, rate, json }: SealArguments): Promise<void> {
  const config = loadConfig({ file, data });
  const bytesPerSecond = rateOf(rate);
  // The server comes first.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const progress = createProgress(json ? { write() {} } : process.stderr);
  const counts = await withStores(config, (stores) =>
    sealBlobs(
      { ...stores, clock: () => new Date() },
      {
        bytesPerSecond,
        dryRun,
        progress: (done, total) => progress.show("sealing blobs", done, total, "bytes"),
        failed(digest, because) {
          progress.clear();
          console.error(`berth: ${digest} stays as it is: ${because}`);
        },
      },
    ),
  )
    .catch((error) => {
      throw explained(error);
    })
    .finally(() => progress.clear());
  console.log(json ? JSON.stringify(counts) : linesOf(counts, dryRun).join("\n"));
  if (counts.damaged > 0) process.exitCode = 1;
}

/** What was sealed before is sealed. */
function explained(error: unknown): unknown {
  if (!(error instanceof Refusal)) return error;
  const isFull = error.is("StorageFull");
  if (!isFull && !error.is("KeyUnusable")) return error;
  const advice = isFull
    ? "The plain copies of what is sealed go with the next garbage collections; then run it again"
    : "Run it again when the key can be used";
  return new CommandFailed(`${error.message}. ${advice}: it goes on where it stopped`, { cause: error });
}

function linesOf(counts: SealCounts, dryRun: boolean): string[] {
  const { blobs, bytes, sealedBefore, leftPlain, damaged, removedFrom } = counts;
  const amount = `${count(blobs, "blob")} (${size(bytes)})`;
  const before = `${count(sealedBefore, "was", "were")} sealed before`;
  const lines = [dryRun ? `${amount} would be sealed, ${before}; nothing was changed` : `sealed ${amount}, ${before}`];
  if (removedFrom) {
    lines.push(
      `their plain copies stay for a moment, for whoever is about to read them; garbage collection removes them, from ${removedFrom.toISOString()} on`,
    );
  }
  if (leftPlain > 0) {
    lines.push(
      `${count(leftPlain, "blob stays", "blobs stay")} plain, because encryption.atRest leaves them to the volume`,
    );
  }
  if (damaged > 0) {
    lines.push(`${count(damaged, "blob is", "blobs are")} damaged: \`berth check --rehash\` says whom this hurts`);
  }
  return lines;
}
