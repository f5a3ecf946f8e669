import { join } from "node:path";

/** Load comes from a process of its own, which is given its orders as JSON and prints as JSON what came of it. */
export async function runLoad<Result>(program: string, orders: object): Promise<Result> {
  const command = [process.execPath, "--no-env-file", join(import.meta.dirname, program), JSON.stringify(orders)];
  const child = Bun.spawn(command, {
    // As Berth has it, so that what is done on threads waits for no other.
    env: { UV_THREADPOOL_SIZE: "16", ...process.env },
    stdout: "pipe",
    stderr: "inherit",
    stdin: "ignore",
  });
  const printed = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${program} failed`);
  return JSON.parse(printed) as Result;
}

/** What a program that pushes into one repository is told. */
export interface PushOrders {
  readonly origin: string;
  readonly authorization?: string;
  readonly clients: number;
  readonly seconds: number;
  readonly repository: string;
}

/** The other side of `runLoad`. */
export function readOrders<Orders>(): Orders {
  return JSON.parse(process.argv[2] ?? "{}") as Orders;
}
