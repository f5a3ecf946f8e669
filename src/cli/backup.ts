import { constants, setPriority } from "node:os";
import { loadConfig } from "../config.ts";
import { backUpInto } from "../upkeep.ts";
import { rateOf } from "./check.ts";
import { CommandFailed } from "./failure.ts";
import { createProgress } from "./progress.ts";
import { count, size } from "./text.ts";
import { version } from "./version.ts";

interface BackupArguments {
  readonly config?: string;
  readonly data?: string;
  readonly keep: string;
  readonly rate: string;
  readonly json?: boolean;
}

/** Ends with 1 also when the backup was made and something could not be put into it. */
export async function runBackup(
  folder: string,
  { config: file, data, keep, rate, json }: BackupArguments,
): Promise<void> {
  const config = loadConfig({ file, data });
  if (!/^[1-9]\d{0,3}$/.test(keep))
    throw new CommandFailed(`--keep: given "${keep}"; allowed: a whole number from 1 on`);
  // The server comes first.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const progress = createProgress(json ? { write() {} } : process.stderr);
  const options = { keep: Number(keep), version, bytesPerSecond: rateOf(rate) };
  const made = await backUpInto(folder, config, {
    ...options,
    progress: (phase, done, total) => progress.show(`backing up ${phase}`, done, total, "bytes"),
  }).finally(() => progress.clear());
  if (made.missing.length > 0) process.exitCode = 1;
  if (json) return console.log(JSON.stringify(made));

  console.log(
    `snapshot ${made.snapshot}: ${count(made.blobs, "blob")} (${size(made.blobBytes)}), of which ${count(made.copied, "was", "were")} copied now (${size(made.copiedBytes)})`,
  );
  if (made.snapshotsRemoved + made.blobsRemoved > 0) {
    console.log(
      `removed ${count(made.snapshotsRemoved, "old snapshot")} and ${count(made.blobsRemoved, "blob")} that no snapshot names (${size(made.freedBytes)})`,
    );
  }
  for (const { digest, because } of made.missing) console.log(`not in the backup: ${digest}: ${because}`);
  if (made.missing.length > 0) console.log("`berth check --rehash` says whom this hurts");
}
