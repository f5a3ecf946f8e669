import { constants, setPriority } from "node:os";
import { loadConfig } from "../config.ts";
import { backUpInto, type Unverified } from "../upkeep.ts";
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

/** What is in a backup, or was brought back, though nobody could look into it. */
export function unverifiedLines(unverified: readonly Unverified[]): string[] {
  return unverified.map(
    ({ key, because, blobs }) =>
      `copied as they are, and not looked into: ${count(blobs, "blob")} sealed under ${key ?? "the server's own key"}, which cannot be used: ${because}`,
  );
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
  if (made.sealed > 0) {
    console.log(
      `${count(made.sealed, "blob is", "blobs are")} sealed: only with the master key can they be read, and that is not in the backup. Keep a copy of it elsewhere`,
    );
  }
  for (const line of unverifiedLines(made.unverified)) console.log(line);
  for (const { digest, because } of made.missing) console.log(`not in the backup: ${digest}: ${because}`);
  if (made.missing.length > 0) console.log("`berth check --rehash` says whom this hurts");
}
