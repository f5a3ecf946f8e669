/** Pushes small images (two blobs of 1 KiB and a manifest) into one repository as fast as the clients can. */
import { randomBytes } from "node:crypto";
import { closedLoop } from "./closed-loop.ts";
import { mediaTypes, RegistryClient } from "./registry-client.ts";
import { type PushOrders, readOrders } from "./run.ts";

const { origin, authorization, clients, seconds, repository } = readOrders<PushOrders>();
const pool = Array.from({ length: clients }, () => new RegistryClient(origin, authorization));

async function pushImage(client: RegistryClient, tag: string): Promise<void> {
  const config = await client.pushBlob(repository, imageConfig(), mediaTypes.config);
  const layer = await client.pushBlob(repository, randomBytes(1024));
  await client.pushManifest(repository, tag, config, [layer]);
}

/** zot reads it. */
function imageConfig(): Buffer {
  const known = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } };
  return Buffer.from(JSON.stringify({ ...known, comment: randomBytes(470).toString("hex") }));
}

const [first] = pool;
// Makes the repository, where a push does that, before many clients want to.
if (first) await pushImage(first, `first-${Date.now()}`);

const pace = await closedLoop(clients, seconds, async (number, turn) => {
  const client = pool[number];
  if (client) await pushImage(client, `c${number}-${turn}-${Date.now()}`);
});
for (const client of pool) client.close();
console.log(JSON.stringify(pace));
