import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cpuSeconds, type Memory, memory } from "../process.ts";

/** A server that is measured. */
export interface Peer {
  readonly name: string;
  readonly origin: string;
  readonly pid: number;
  readonly authorization?: string;
  /** From the command to the first answer. */
  readonly startMs: number;
  /** Processor time that the server and its children have used. */
  cpuSeconds(): number;
  memory(): Memory;
  stop(): Promise<void>;
}

/** A program that can be a peer. */
export interface PeerKind {
  readonly name: string;
  /** Whether it takes pushes; nginx only serves a file. */
  readonly registry: boolean;
  /** Where the program is, or why it is nowhere. */
  find(): { program: string } | { missing: string };
  version(program: string): Promise<string>;
  /** `file` is what nginx serves. */
  start(program: string, folder: string, file?: string): Promise<Peer>;
}

export interface Launch {
  readonly name: string;
  readonly command: string[];
  readonly folder: string;
  readonly port: number;
  /** Answers as soon as the server is of use. */
  readonly readyPath: string;
  readonly authorization?: string;
  readonly env?: Record<string, string | undefined>;
}

/** However the bench ends, no server stays behind. */
const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const server of running) server.kill("SIGKILL");
});

const startLimitMs = 60_000;
const pollMs = 2;

/** Starts a server and waits until it answers. */
export async function launch({ name, command, folder, port, readyPath, authorization, env }: Launch): Promise<Peer> {
  const origin = `http://127.0.0.1:${port}`;
  const log = join(folder, `${name}.log`);
  const descriptor = openSync(log, "w");
  const begun = performance.now();
  const server = Bun.spawn(command, {
    cwd: folder,
    env: env ?? process.env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: descriptor,
  });
  closeSync(descriptor);
  running.add(server);
  const stop = async () => {
    server.kill();
    await server.exited;
    running.delete(server);
  };
  for (;;) {
    const answer = await fetch(origin + readyPath).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer && answer.status < 500) break;
    if (server.exitCode !== null) throw new Error(`${name} ended with code ${server.exitCode}: ${tail(log)}`);
    if (performance.now() - begun > startLimitMs) {
      await stop();
      throw new Error(`${name} did not answer within ${startLimitMs / 1000} seconds: ${tail(log)}`);
    }
    await Bun.sleep(pollMs);
  }
  return {
    name,
    origin,
    pid: server.pid,
    authorization,
    startMs: performance.now() - begun,
    cpuSeconds: () => cpuSeconds(server.pid),
    memory: () => memory(server.pid),
    stop,
  };
}

export async function freePort(): Promise<number> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

/** What a short command prints, to either side. */
export async function output(command: string[]): Promise<string> {
  try {
    const program = Bun.spawn(command, { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
    const [out, errors] = await Promise.all([new Response(program.stdout).text(), new Response(program.stderr).text()]);
    return (out + errors).trim();
  } catch {
    return "";
  }
}

function tail(log: string): string {
  return readFileSync(log, "utf8").trim().split("\n").slice(-5).join("\n");
}
