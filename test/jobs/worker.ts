import { appendFileSync } from "node:fs";
import { type JobKind, jobKind } from "../../src/domain/jobs/kinds.ts";
import type { AccountId, Region } from "../../src/domain/names.ts";
import { jobHandler } from "../../src/jobs/handler.ts";
import { startRunner } from "../../src/jobs/runner.ts";
import { openMetadata } from "../../src/storage/metadata/index.ts";

/**
 * A process that does jobs: `worker.ts DATABASE NOTES LEASE_MS`. It notes each beginning in a file, and counts the end in the
 * database, in the transaction that completes the job. SIGTERM stops it in good order.
 */

export const counting: JobKind<number> = jobKind("test.count", { maxAttempts: 1000 });
export const registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };

if (import.meta.main) {
  const [url = "", notes = "", leaseMs = ""] = process.argv.slice(2);
  const metadata = await openMetadata(url);
  const handler = jobHandler({
    kind: counting,
    payload: { parse: Number },
    atOnce: 4,
    async run(number, { complete }) {
      appendFileSync(notes, `${number}\n`);
      await Bun.sleep(Math.random() * 4);
      await metadata.transact(async (nouns) => {
        const before = Number((await nouns.settings.get(registry, `job ${number}`)) ?? 0);
        await nouns.settings.set(registry, `job ${number}`, String(before + 1));
        await complete(nouns);
      });
    },
  });
  const fail = (facts: object, message: string) => console.error(message, facts);
  const runner = startRunner({
    metadata,
    handlers: [handler],
    worker: String(process.pid),
    clock: () => new Date(),
    log: { info() {}, warn() {}, error: fail },
    leaseMs: Number(leaseMs),
    pollMs: 50,
    random: () => 0,
  });
  // A runner that waits for its next job keeps no process alive, and this one has nothing else to do.
  setInterval(() => {}, 60_000);
  process.once("SIGTERM", async () => {
    await runner.stop();
    await metadata.close();
    process.exit(0);
  });
}
