import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { killGroup, version } from "./process.ts";

const BUSYBOX = "/bin/busybox";

export async function findDocker(): Promise<string | undefined> {
  const daemon = await version(["dockerd", "--version"]);
  const client = await version(["docker", "--version"]);
  return daemon && client ? `client ${client}, daemon ${daemon}` : undefined;
}

export type Docker = (
  args: readonly string[],
  options?: {
    config?: string;
    input?: string;
    fails?: boolean;
    timeoutMs?: number;
    env?: Readonly<Record<string, string>>;
  },
) => Promise<string>;

export interface DaemonOptions {
  /** Names of hosts that only this daemon and the programs it starts know, all at one address. */
  readonly hosts?: readonly string[];
  /** A loopback one if left out. */
  readonly address?: string;
  /** The folder that only this daemon has at /etc/docker/certs.d. With it, the hosts have to speak TLS that it trusts. */
  readonly certificates?: string;
}

/** A daemon of our own: it touches no network set-up, no image and no socket of a daemon that may already run here. */
export async function startDaemon(world: World, options: DaemonOptions = {}): Promise<Docker> {
  const folder = join(world.folder, "docker");
  await mkdir(folder);
  const socket = `unix://${join(folder, "docker.sock")}`;
  const logFile = join(folder, "dockerd.log");
  const daemon = Bun.spawn(
    [
      ...(await inPlaceOfItsOwn(folder, options)),
      "dockerd",
      "--iptables=false",
      "--ip6tables=false",
      "--bridge=none",
      `--data-root=${join(folder, "data")}`,
      `--exec-root=${join(folder, "exec")}`,
      `--pidfile=${join(folder, "dockerd.pid")}`,
      `--host=${socket}`,
      ...(options.certificates ? [] : (options.hosts ?? [])).map(
        (host) => `--insecure-registry=${host}:${new URL(world.url).port}`,
      ),
    ],
    {
      stdin: "ignore",
      stdout: Bun.file(logFile),
      stderr: Bun.file(logFile),
      detached: true,
      env: { ...(process.env as Record<string, string>), HOME: world.folder },
    },
  );
  world.atEnd(async () => {
    daemon.kill("SIGTERM");
    const ended = await Promise.race([daemon.exited.then(() => true), Bun.sleep(20_000).then(() => false)]);
    if (!ended) killGroup(daemon.pid, "SIGKILL");
    await daemon.exited;
    await unmountBelow(folder);
  });

  const docker: Docker = async (args, options = {}) => {
    const config = join(folder, options.config ?? "config");
    const command = ["docker", "--host", socket, "--config", config, ...args];
    // The classic builder: it is part of every docker, BuildKit needs a plugin.
    const { output } = await world.run(command, { ...options, env: { DOCKER_BUILDKIT: "0", ...options.env } });
    return output.trim();
  };

  const deadline = Date.now() + 40_000;
  while (Date.now() < deadline && daemon.exitCode === null) {
    const ready = await docker(["info"], { timeoutMs: 5_000 }).catch(() => "");
    if (ready.includes("Server Version")) return docker;
    await Bun.sleep(200);
  }
  throw new Error(`dockerd does not start:\n${(await readFile(logFile, "utf8")).split("\n").slice(-10).join("\n")}`);
}

/** A command before another: it then sees a file of host names and certificates of its own, which nobody else sees. */
async function inPlaceOfItsOwn(folder: string, options: DaemonOptions): Promise<string[]> {
  const { hosts = [], address = "127.0.0.1", certificates } = options;
  if (hosts.length === 0) return [];
  const file = join(folder, "hosts");
  await writeFile(file, `127.0.0.1 localhost\n${address} ${hosts.join(" ")}\n`);
  const mounts = [`mount --bind ${file} /etc/hosts`];
  if (certificates) mounts.push("mkdir -p /etc/docker/certs.d", `mount --bind ${certificates} /etc/docker/certs.d`);
  return ["unshare", "--mount", "sh", "-c", `${mounts.join(" && ")} && exec "$@"`, "sh"];
}

/** What a killed daemon leaves mounted would keep its folder from being removed. */
async function unmountBelow(folder: string): Promise<void> {
  const points = (await readFile("/proc/mounts", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((point) => point.startsWith(`${folder}/`));
  for (const point of points.reverse()) await Bun.spawn(["umount", "-l", point]).exited;
}

/** Builds `FROM scratch` with layers that the seed makes its own. */
export async function buildBusybox(world: World, docker: Docker, seed: string): Promise<string> {
  const context = join(world.folder, `build-${seed}`);
  await mkdir(context, { recursive: true });
  await copyFile(BUSYBOX, join(context, "busybox"));
  await writeFile(
    join(context, "Dockerfile"),
    `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "mkdir", "/data"]
RUN ["/bin/busybox", "sh", "-c", "echo ${seed} > /data/seed"]
ENTRYPOINT ["/bin/busybox"]
CMD ["cat", "/data/seed"]
`,
  );
  const tag = `built:${seed}`;
  await docker(["build", "--network", "none", "--tag", tag, context]);
  return tag;
}

export const imageId = (docker: Docker, image: string) => docker(["image", "inspect", "--format", "{{.Id}}", image]);

export async function removeAllImages(docker: Docker): Promise<void> {
  const ids = await docker(["images", "--quiet", "--no-trunc"]);
  const unique = [...new Set(ids.split("\n").filter(Boolean))];
  if (unique.length > 0) await docker(["rmi", "--force", ...unique]);
}

export async function push(
  docker: Docker,
  image: string,
  target: string,
  options: { config?: string; fails?: boolean; env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  await docker(["tag", image, target]);
  return docker(["push", target], { ...options, timeoutMs: 240_000 });
}
