import { join } from "node:path";
import type { World } from "./client.ts";
import { version } from "./process.ts";

export const name = "boto3";
export const installedByCi = true;
export const find = () => version(["python3", "-c", "import boto3; print(boto3.__version__)"]);

interface Line {
  readonly name?: string;
  readonly ok?: boolean;
  readonly ms?: number;
  readonly message?: string;
  readonly note?: string;
}

/** The checks are in Python, where boto3 is; this shows what they found. */
export async function run(world: World): Promise<void> {
  const script = join(import.meta.dirname, "boto3_checks.py");
  const env = { BERTH_TEST_ACCOUNT: world.account, PYTHONDONTWRITEBYTECODE: "1" };
  const { stdout } = await world.run(["python3", script], { env, timeoutMs: 150_000 });
  for (const text of stdout.trim().split("\n")) {
    const line = JSON.parse(text) as Line;
    if (line.note) world.note(line.note);
    else world.report(line.name ?? "?", line.ok ? "ok" : "FAIL", line.ms ?? 0, line.message);
  }
}
