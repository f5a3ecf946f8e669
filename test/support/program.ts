import { join } from "node:path";
import { eachLogged } from "../../src/cli/testing.ts";

/** Berth as its users have it: processes with an environment, input, output and signals. */

const root = join(import.meta.dir, "..", "..");
const path = process.env.PATH ?? "/usr/bin:/bin";

/** An executable of the package, by the name that others call it. */
export type Program = "berth" | "docker-credential-berth" | "berth-credential-provider";

export interface Ended {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** Runs a program to its end. */
export async function runProgram(
  program: Program,
  args: string[],
  { env = {}, input = "", cwd }: { env?: Record<string, string>; input?: string; cwd?: string } = {},
): Promise<Ended> {
  const child = Bun.spawn([join(root, "bin", `${program}.js`), ...args], {
    cwd,
    env: { PATH: path, ...env },
    stdin: Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err, code };
}

/** `berth serve` on a free port, with its data in `cwd`. */
export async function startServing(cwd: string, env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, join(root, "src", "cli", "main.ts"), "serve"], {
    cwd,
    env: { PATH: path, BERTH_LISTEN: "127.0.0.1:0", BERTH_METRICS_LISTEN: "127.0.0.1:0", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const lines: Record<string, unknown>[] = [];
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  const logged = eachLogged(child.stdout, (line) => {
    lines.push(line);
    if (line.msg === "listening") resolve(new URL(line.url as string).origin);
  }).then(() => reject(new Error("it ended before it listened")));
  return {
    url: await listening,
    /** Its log so far. */
    lines,
    /** Answers its exit code. */
    async stop() {
      child.kill("SIGTERM");
      const code = await child.exited;
      await logged;
      return code;
    },
    /** As a power cut would end it. */
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
      await logged;
    },
  };
}
