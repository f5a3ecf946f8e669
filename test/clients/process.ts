export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** The command is expected to fail; success is then the error. */
  readonly fails?: boolean;
  readonly signal?: AbortSignal;
}

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  /** Standard error after standard output, for messages that a program prints on either. */
  readonly output: string;
}

const SHOWN_LINES = 15;

/** Runs a program to its end in a process group of its own, so that a time-out also ends what it started. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  options.signal?.throwIfAborted();
  const child = Bun.spawn([...command], {
    cwd: options.cwd,
    env: options.env,
    stdin: options.input === undefined ? "ignore" : new Blob([options.input as string]),
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const timeoutMs = options.timeoutMs ?? 120_000;
  let stoppedBy: string | undefined;
  const stop = (why: string) => {
    stoppedBy = why;
    killGroup(child.pid, "SIGKILL");
  };
  const onAbort = () => stop("the client's time was up");
  const timer = setTimeout(() => stop(`no end after ${timeoutMs / 1000} s`), timeoutMs);
  options.signal?.addEventListener("abort", onAbort);
  try {
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    const ran = { stdout, stderr, output: stdout + stderr };
    if (stoppedBy !== undefined) throw new Error(`${shown(command)}: ${stoppedBy}\n${tail(ran.output)}`);
    if (options.fails ? code === 0 : code !== 0)
      throw new Error(`${shown(command)}: exit ${code}\n${tail(ran.output)}`);
    return ran;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
  }
}

/** The first line that a program prints about its version, or nothing when the program is not there. */
export async function version(
  command: readonly string[],
  pattern = /\d+\.\d+(\.\d+)?[\w.+~-]*/,
): Promise<string | undefined> {
  const program = command[0];
  if (program === undefined || Bun.which(program) === null) return undefined;
  try {
    const { output } = await run(command, { timeoutMs: 30_000, env: process.env as Record<string, string> });
    return pattern.exec(output)?.[0] ?? output.trim().split("\n")[0];
  } catch {
    return undefined;
  }
}

export function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

function shown(command: readonly string[]): string {
  const text = command.join(" ");
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function tail(text: string): string {
  return text.trim().split("\n").slice(-SHOWN_LINES).join("\n");
}
