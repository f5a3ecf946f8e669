import type { Region } from "../../src/domain/names.ts";
import { backfillHandler, replicateImageHandler } from "../../src/jobs/replicate.ts";
import { startRunner } from "../../src/jobs/runner.ts";
import { openPeers } from "../../src/remotes/peers.ts";
import { createRemotes } from "../../src/remotes/registry/index.ts";
import { startServer } from "../../src/server/listener.ts";
import { createLog } from "../../src/server/log.ts";
import { inProcess } from "../support/berth.ts";

/**
 * A Berth that may be killed: `server.ts DATA REGION [PEER_REGION PEER_URL CREDENTIALS]`. It prints where it listens. Leases
 * are short, so that whoever starts it again need not wait for a minute.
 */

const [data = "", region = "", peerRegion, origin = "", peerCredentials] = process.argv.slice(2);
const log = createLog({ level: "error", format: "json", write: (line) => process.stderr.write(line) });
const remotes = createRemotes({ pauseMs: 50 });
const peers = peerRegion && { peers: [{ region: peerRegion as Region, origin }], peerCredentials };
const berth = await inProcess({
  data,
  region,
  createOnPush: true,
  peers: peers ? openPeers(peers, remotes.open) : undefined,
});
const { metadata } = berth.stores;
const clock = () => new Date();
// In process, tests have a clock that stands still.
setInterval(() => {
  berth.now = new Date();
}, 20);
const replicating = { metadata, openTarget: berth.openTarget, clock };
startRunner({
  metadata,
  handlers: [replicateImageHandler(replicating), backfillHandler(replicating)],
  worker: String(process.pid),
  clock,
  log: { info() {}, warn() {}, error: (facts, message) => log.error(facts, message) },
  leaseMs: 2_000,
  pollMs: 50,
  random: () => 0,
});
const server = startServer({ listen: { host: "127.0.0.1", port: 0 }, ready: async () => {}, log });
server.serve(berth.surfaces);
console.log(server.url);
