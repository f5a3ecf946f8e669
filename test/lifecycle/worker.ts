import { createTrail } from "../../src/domain/audit/trail.ts";
import { noRetention } from "../../src/domain/lifecycle/ports.ts";
import { evaluateLifecycleHandler } from "../../src/jobs/evaluate-lifecycle.ts";
import { recordLifecycle } from "../../src/jobs/lifecycle-events.ts";
import { startRunner } from "../../src/jobs/runner.ts";
import { openMetadata } from "../../src/storage/metadata/index.ts";
import { account, region } from "../support/berth.ts";
import { lifecycleEveryMs } from "../support/lifecycle.ts";

/** A process that evaluates lifecycle policies: `worker.ts DATABASE LEASE_MS`. SIGTERM stops it in good order. */

const [url = "", leaseMs = ""] = process.argv.slice(2);
const metadata = await openMetadata(url);
const clock = () => new Date();
const fail = (facts: object, message: string) => console.error(message, facts);
const log = { info() {}, warn() {}, error: fail };
const audit = createTrail({ metadata, home: { account, region }, clock, log });
const parts = { metadata, clock, retention: noRetention, record: recordLifecycle(audit, clock) };
const runner = startRunner({
  metadata,
  handlers: [evaluateLifecycleHandler({ ...parts, everyMs: lifecycleEveryMs }, () => {})],
  worker: String(process.pid),
  clock,
  log,
  leaseMs: Number(leaseMs),
  pollMs: 20,
  random: () => 0,
});
// A runner that waits keeps no process alive: a listener does, where there is one.
const alive = setInterval(() => {}, 1_000);
process.once("SIGTERM", async () => {
  clearInterval(alive);
  await runner.stop();
  await audit.close();
  await metadata.close();
  process.exit(0);
});
