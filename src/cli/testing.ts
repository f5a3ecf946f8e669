import { afterAll, afterEach } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

type Env = Record<string, string>;

/** What Berth logs, a line of JSON at a time, to its end. */
export async function eachLogged<Line = Record<string, unknown>>(
  stdout: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (line: Line) => void,
): Promise<void> {
  let rest = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) take(JSON.parse(part));
  }
}

/**
 * The program as its users have it: processes with an environment, output and signals, in folders of their own. Whatever
 * still runs at the end of a test is killed; the folders go with the last test of the file.
 * @param common variables of all processes
 */
export function programIn(name: string, common: Env = {}) {
  const root = mkdtempSync(join(tmpdir(), `berth-${name}-`));
  const program = join(import.meta.dir, "main.ts");
  const started: Bun.Subprocess[] = [];
  afterEach(async () => {
    for (const child of started.splice(0)) {
      child.kill("SIGKILL");
      await child.exited;
    }
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const folder = () => mkdtempSync(join(root, "cwd-"));

  function spawn(args: string[], cwd: string, env: Env = {}) {
    const listen = { BERTH_LISTEN: "127.0.0.1:0", BERTH_METRICS_LISTEN: "127.0.0.1:0" };
    const child = Bun.spawn([process.execPath, program, ...args], {
      cwd,
      env: { PATH: "/usr/bin:/bin", ...listen, ...common, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    started.push(child);
    return child;
  }

  /** Runs to the end. */
  async function run(args: string[], cwd = folder(), env?: Env) {
    const child = spawn(args, cwd, env);
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { out, err, code };
  }

  /** Starts and waits until it listens. */
  async function serve(cwd = folder(), env?: Env) {
    const child = spawn(["serve"], cwd, env);
    const err = new Response(child.stderr).text();
    const lines: Record<string, unknown>[] = [];
    const { promise: listening, resolve, reject } = Promise.withResolvers<URL>();
    const logged = eachLogged(child.stdout, (line) => {
      lines.push(line);
      if (line.msg === "listening") resolve(new URL(line.url as string));
    }).then(async () => reject(new Error(await err)));
    const url = await listening;
    return {
      child,
      cwd,
      url,
      lines,
      /** What it said on standard error, after it has ended. */
      async end(signal: NodeJS.Signals = "SIGTERM") {
        child.kill(signal);
        const code = await child.exited;
        await logged;
        return { code, err: await err };
      },
    };
  }

  /** For another process that must not outlive its test. */
  const killAtEnd = (child: Bun.Subprocess) => void started.push(child);
  return { folder, spawn, run, serve, killAtEnd };
}

/** A request whose body is sent in two halves: the first when the head has arrived, the second when told to. */
export async function slowRequest(url: URL, head: string, body: string) {
  const socket = connect(Number(url.port), url.hostname);
  const arrived = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  let answer = "";
  socket.on("data", (bytes: Buffer) => {
    answer += bytes.toString();
    if (!answer.startsWith("HTTP/1.1 100 Continue\r\n\r\n")) return;
    answer = answer.slice("HTTP/1.1 100 Continue\r\n\r\n".length);
    socket.write(body.slice(0, 5));
    arrived.resolve();
  });
  socket.on("error", () => {});
  socket.on("close", () => ended.resolve(answer));
  const length = `Content-Length: ${body.length}\r\nExpect: 100-continue`;
  socket.write(`${head}\r\nHost: ${url.host}\r\n${length}\r\nConnection: close\r\n\r\n`);
  await arrived.promise;
  return { finish: () => socket.write(body.slice(5)), ended: ended.promise };
}
