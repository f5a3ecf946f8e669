import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A server that is measured. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  readonly origin: string;
  readonly authorization?: string;
  /** Whether it takes pushes; nginx only serves a file. */
  readonly registry: boolean;
  /** Path that a pull asks for, set by the newest push. */
  blobPath: string;
  /** Processor time that the server and its children have used, in seconds. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

const user = "AKIABENCHBENCHBENCHB";
const password = "bench-secret-that-opens-nothing-else";

export async function startBerth(folder: string): Promise<Peer | string> {
  const port = await freePort();
  const root = join(import.meta.dirname, "..");
  const server = Bun.spawn([process.execPath, join(root, "src/cli/main.ts"), "serve"], {
    cwd: folder,
    env: {
      // As `npm start` has it.
      UV_THREADPOOL_SIZE: "16",
      ...process.env,
      BERTH_LISTEN: `127.0.0.1:${port}`,
      BERTH_PUBLIC_URL: `http://127.0.0.1:${port}`,
      BERTH_DATA: join(folder, "berth"),
      BERTH_ROOT_ACCESS_KEY_ID: user,
      BERTH_ROOT_SECRET_ACCESS_KEY: password,
      BERTH_CREATE_ON_PUSH: "true",
      BERTH_LOG_LEVEL: "error",
    },
    stdout: "ignore",
    stderr: "ignore",
  });
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  return ready({ name: "berth", version, port, server, authorization, registry: true, path: "/v2/" });
}

export async function startDistribution(folder: string): Promise<Peer | string> {
  const program = Bun.which("docker-registry") ?? Bun.which("registry");
  if (!program) return "Distribution (no docker-registry; Debian's package of that name has it)";
  const port = await freePort();
  const config = join(folder, "distribution.yml");
  const lines = [
    "version: 0.1",
    "log: { level: error, accesslog: { disabled: true } }",
    `storage: { filesystem: { rootdirectory: ${join(folder, "distribution")} } }`,
    `http: { addr: "127.0.0.1:${port}" }`,
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  const version = (await output([program, "--version"])).trim().split(/\s+/).at(-1) ?? "?";
  const server = Bun.spawn([program, "serve", config], { stdout: "ignore", stderr: "ignore" });
  return ready({ name: "distribution", version, port, server, registry: true, path: "/v2/" });
}

export async function startNginx(folder: string, file: string): Promise<Peer | string> {
  const program = Bun.which("nginx");
  if (!program) return "nginx (not installed)";
  const port = await freePort();
  const prefix = join(folder, "nginx");
  mkdirSync(prefix, { recursive: true });
  const config = join(prefix, "nginx.conf");
  writeFileSync(
    config,
    `user root; worker_processes 1; daemon off; pid ${prefix}/pid; error_log ${prefix}/error.log;
     events { worker_connections 512; }
     http { access_log off; sendfile on; tcp_nopush on; client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy;
       fastcgi_temp_path ${prefix}/fastcgi; uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
       server { listen 127.0.0.1:${port}; location /layer { alias ${file}; } } }\n`,
  );
  const version = (await output([program, "-v"], "stderr")).trim().split("/").at(-1) ?? "?";
  const server = Bun.spawn([program, "-p", prefix, "-c", config], { stdout: "ignore", stderr: "ignore" });
  const peer = await ready({ name: "nginx", version, port, server, registry: false, path: "/" });
  if (typeof peer !== "string") peer.blobPath = "/layer";
  return peer;
}

async function ready(parts: {
  name: string;
  version: string;
  port: number;
  server: Bun.Subprocess;
  authorization?: string;
  registry: boolean;
  path: string;
}): Promise<Peer | string> {
  const { name, version, port, server, authorization, registry, path } = parts;
  const origin = `http://127.0.0.1:${port}`;
  const stop = async () => {
    server.kill();
    await server.exited;
  };
  for (let tries = 0; tries < 200; tries++) {
    if (server.exitCode !== null) return `${name} (ended with code ${server.exitCode})`;
    const up = await fetch(origin + path).catch(() => undefined);
    if (up)
      return {
        name,
        version,
        origin,
        authorization,
        registry,
        blobPath: "",
        cpuSeconds: () => cpuOf(server.pid),
        stop,
      };
    await Bun.sleep(50);
  }
  await stop();
  return `${name} (did not answer within 10 seconds)`;
}

/** User and system time of a process and its children (proc(5): fields 14 and 15, in hundredths of a second). */
function cpuOf(pid: number): number {
  const fields = (id: string) => {
    try {
      const text = readFileSync(`/proc/${id}/stat`, "utf8");
      return text.slice(text.lastIndexOf(")") + 2).split(" ");
    } catch {
      return [];
    }
  };
  const all = readdirSync("/proc").filter((id) => /^\d+$/.test(id));
  const mine = all.filter((id) => id === String(pid) || fields(id)[1] === String(pid));
  return mine.reduce((sum, id) => sum + (Number(fields(id)[11] ?? 0) + Number(fields(id)[12] ?? 0)) / 100, 0);
}

async function output(command: string[], from: "stdout" | "stderr" = "stdout"): Promise<string> {
  const program = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  return new Response(program[from]).text();
}

async function freePort(): Promise<number> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
