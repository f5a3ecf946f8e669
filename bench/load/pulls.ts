/** Several who ask for something again and again, in turns so short that whatever else the machine does hits all alike. */
import { cpuSeconds } from "../process.ts";
import { closedLoop } from "./closed-loop.ts";
import { Connection, encodeRequest } from "./connection.ts";
import { mediaTypes } from "./registry-client.ts";
import { readOrders } from "./run.ts";

export interface Pull {
  readonly name: string;
  readonly authorization: string;
  readonly path: string;
}

export interface Pulled {
  readonly name: string;
  readonly perSecond: number;
  /** Of the server. */
  readonly cpuMicroseconds: number;
}

const turnSeconds = 0.25;
const { origin, pid, pulls, clients, seconds } = readOrders<{
  origin: string;
  /** The server's. */
  pid: number;
  pulls: readonly Pull[];
  clients: number;
  /** For each of the pulls. */
  seconds: number;
}>();

const connections = Array.from({ length: clients }, () => new Connection(origin));
const requests = pulls.map(({ authorization, path }) =>
  encodeRequest("GET", new URL(origin).host, path, { Accept: mediaTypes.manifest, Authorization: authorization }),
);
const sums = pulls.map(() => ({ count: 0, seconds: 0, cpuSeconds: 0 }));

for (let turn = 0; turn * turnSeconds < seconds; turn++) {
  for (let place = 0; place < pulls.length; place++) {
    // Each turn begins with another one.
    const index = (turn + place) % pulls.length;
    const [request, sum] = [requests[index] as Buffer, sums[index] as (typeof sums)[number]];
    const [cpu, begun] = [cpuSeconds(pid), performance.now()];
    const { count } = await closedLoop(clients, turnSeconds, async (client) => {
      const answer = await connections[client]?.ask(request);
      if (answer?.status !== 200) throw new Error(`${pulls[index]?.path}: ${answer?.status} ${answer?.body}`);
    });
    sum.count += count;
    sum.seconds += (performance.now() - begun) / 1000;
    sum.cpuSeconds += cpuSeconds(pid) - cpu;
  }
}
for (const connection of connections) connection.close();
const pulled: Pulled[] = pulls.map(({ name }, index) => {
  const { count, seconds: wall, cpuSeconds: cpu } = sums[index] as (typeof sums)[number];
  return { name, perSecond: count / wall, cpuMicroseconds: (cpu * 1e6) / count };
});
console.log(JSON.stringify(pulled));
