/** Asks for one manifest again and again over keep-alive connections. */
import { closedLoop } from "./closed-loop.ts";
import { Connection, encodeRequest } from "./connection.ts";
import { mediaTypes } from "./registry-client.ts";
import { readOrders } from "./run.ts";

const { origin, path, authorization, method, clients, seconds } = readOrders<{
  origin: string;
  path: string;
  authorization?: string;
  method: "GET" | "HEAD";
  clients: number;
  seconds: number;
}>();
const headers = { Accept: mediaTypes.manifest, Authorization: authorization };
const request = encodeRequest(method, new URL(origin).host, path, headers);
const connections = Array.from({ length: clients }, () => new Connection(origin));

const pace = await closedLoop(clients, seconds, async (client) => {
  const answer = await connections[client]?.ask(request, method === "HEAD");
  if (answer?.status !== 200) throw new Error(`${method} ${path}: ${answer?.status} ${answer?.body}`);
});
for (const connection of connections) connection.close();
console.log(JSON.stringify(pace));
