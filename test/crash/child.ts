import { writeSync } from "node:fs";
import { liveUntilKilled, type Task, type Told } from "./killed.ts";

/** The process that killed.ts kills. It waits for nobody: each line is out before it does anything else. */

function tell(told: Told): void {
  writeSync(1, `${JSON.stringify(told)}\n`);
}

await liveUntilKilled(JSON.parse(process.argv[2] ?? "") as Task, tell).catch((error: Error) => {
  tell({ lost: error.stack ?? error.message });
  process.exitCode = 1;
});
