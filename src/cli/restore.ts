import { loadConfig } from "../config.ts";
import { restoreFrom } from "../upkeep.ts";
import { unverifiedLines } from "./backup.ts";
import { checkStores, summary } from "./check.ts";
import { createProgress } from "./progress.ts";
import { withStores } from "./stores.ts";
import { count, size } from "./text.ts";

interface RestoreArguments {
  readonly config?: string;
  readonly into?: string;
  readonly snapshot?: string;
  readonly masterKeyLost?: boolean;
  readonly json?: boolean;
}

/** Ends with 1 also when everything was restored that could be, and something could not. */
export async function runRestore(
  folder: string,
  { config: file, into, snapshot, masterKeyLost, json }: RestoreArguments,
): Promise<void> {
  const config = loadConfig({ file, data: into });
  const progress = createProgress(json ? { write() {} } : process.stderr);
  const restored = await restoreFrom(folder, config, {
    snapshot,
    masterKeyLost,
    progress: (phase, done, total) => progress.show(`restoring ${phase}`, done, total, "bytes"),
  }).finally(() => progress.clear());
  if (!json) {
    console.log(
      `restored ${restored.snapshot} into ${config.data}: ${count(restored.blobs, "blob")} (${size(restored.blobBytes)})`,
    );
    for (const line of unverifiedLines(restored.unverified)) console.log(line);
    for (const { digest, because } of restored.missing) console.log(`not restored: ${digest}: ${because}`);
  }
  // Every blob was hashed on its way.
  const options = { rehash: false, repair: false, bytesPerSecond: 0 };
  const checked = await withStores(config, (stores) => checkStores(stores, options, !json));
  if (checked.result === "problems") process.exitCode = 1;
  console.log(json ? JSON.stringify({ ...restored, check: checked }) : summary(checked));
}
