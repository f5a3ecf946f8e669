import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Bench, Samples } from "../bench.ts";
import { Connection } from "../load/connection.ts";
import { runLoad } from "../load/run.ts";
import { createSigner } from "../load/signer.ts";
import { berthCommand, berthEnvironment, key, startBerth } from "../peers/berth.ts";

export interface Freed {
  readonly blobs: number;
  readonly bytes: number;
}

/** Whether this Berth can collect garbage from the command line. */
export async function hasGc(): Promise<boolean> {
  const command = Bun.spawn(berthCommand("gc", "--help"), { stdout: "ignore", stderr: "ignore", stdin: "ignore" });
  return (await command.exited) === 0;
}

/** Collects at once what nothing refers to, beside the running server. */
export async function collectGarbage(data: string): Promise<Freed> {
  const command = Bun.spawn(berthCommand("gc", "--grace", "0", "--json"), {
    cwd: data,
    env: berthEnvironment(data),
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
  });
  const [out, errors] = await Promise.all([new Response(command.stdout).text(), new Response(command.stderr).text()]);
  if ((await command.exited) !== 0) throw new Error(`berth gc failed: ${errors.trim() || out.trim()}`);
  return JSON.parse(out) as Freed;
}

/** Small blobs are pushed, their repository is deleted, and the garbage is collected while the server runs. */
export async function measureGc(bench: Bench): Promise<void> {
  if (!(await hasGc())) return bench.leaveOut("gc (this Berth has no gc command)");
  const data = join(bench.folder, "gc");
  mkdirSync(data);
  const berth = await startBerth(data);
  const { origin, authorization } = berth;
  const connection = new Connection(origin);
  const signer = createSigner({ ...key, host: new URL(origin).host });
  const samples = new Samples();
  try {
    for (let round = 1; round <= bench.options.rounds; round++) {
      bench.progress(`gc: round ${round} of ${bench.options.rounds}`);
      const repositoryName = `bench/garbage-${round}`;
      const orders = { clients: 32, seconds: bench.options.seconds, repository: repositoryName };
      await runLoad("blobs.ts", { origin, authorization, ...orders });
      const deleted = await connection.ask(signer("DeleteRepository", { repositoryName, force: true }));
      if (deleted.status !== 200) throw new Error(`DeleteRepository: ${deleted.status} ${deleted.body}`);
      const begun = performance.now();
      const { blobs, bytes } = await collectGarbage(data);
      const seconds = (performance.now() - begun) / 1000;
      samples.add("gc, blobs freed per second", "berth", blobs / seconds);
      samples.add("gc, MB freed per second", "berth", bytes / 1e6 / seconds);
    }
  } finally {
    connection.close();
    await berth.stop();
  }
  samples.record(bench);
}
