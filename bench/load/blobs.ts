/** Pushes blobs of 1 KiB into one repository: a POST and a PUT each. */
import { randomBytes } from "node:crypto";
import { closedLoop } from "./closed-loop.ts";
import { RegistryClient } from "./registry-client.ts";
import { type PushOrders, readOrders } from "./run.ts";

const { origin, authorization, clients, seconds, repository } = readOrders<PushOrders>();
const pool = Array.from({ length: clients }, () => new RegistryClient(origin, authorization));
// Makes the repository, where a push does that, before many clients want to.
await pool[0]?.pushBlob(repository, randomBytes(1024));

const pace = await closedLoop(clients, seconds, async (client) => {
  await pool[client]?.pushBlob(repository, randomBytes(1024));
});
for (const client of pool) client.close();
console.log(JSON.stringify(pace));
