import { open } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

export const ACCESS_KEY_ID = "AKIDBERTHCLIENTTESTS";
// The slash and the plus sign are on purpose: both have to survive a Basic header and a signature.
export const SECRET_ACCESS_KEY = "client/tests+only/0123456789abcdefghijkl";
export const ACCOUNT = "000000000000";
export const REGION = "us-east-1";

const ROOT = join(import.meta.dirname, "..", "..");

export interface Server {
  readonly host: string;
  readonly url: string;
  readonly logFile: string;
  /** How it ended, if it ended by itself. */
  crash(): string | undefined;
  stop(): Promise<void>;
}

/**
 * Starts Berth from the source tree, as a program of its own, on a free port and an empty data directory.
 * @param settings more `BERTH_…` variables
 * @param options.authority the file of who vouches for its certificate, where the settings give it one
 * @param options.everywhere it listens on all addresses of the machine, and not on a loopback one only
 */
export async function startServer(
  folder: string,
  settings: Record<string, string> = {},
  { authority, everywhere = false }: { authority?: string; everywhere?: boolean } = {},
): Promise<Server> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const url = `${authority === undefined ? "http" : "https"}://${host}`;
  const logFile = join(folder, "berth.log");
  const log = await open(logFile, "w");
  const child = Bun.spawn([process.execPath, "src/cli/main.ts", "serve"], {
    cwd: ROOT,
    env: {
      ...withoutBerth(process.env),
      BERTH_LISTEN: everywhere ? `0.0.0.0:${port}` : host,
      BERTH_PUBLIC_URL: url,
      BERTH_DATA: join(folder, "data"),
      BERTH_ACCOUNT: ACCOUNT,
      BERTH_REGION: REGION,
      BERTH_ROOT_ACCESS_KEY_ID: ACCESS_KEY_ID,
      BERTH_ROOT_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
      BERTH_CREATE_ON_PUSH: "false",
      // The issuers of the tests are on this machine.
      BERTH_OIDC_ALLOW_PRIVATE_ISSUERS: "true",
      BERTH_OIDC_ALLOW_INSECURE_ISSUERS: "true",
      ...settings,
    },
    stdin: "ignore",
    stdout: log.fd,
    stderr: log.fd,
  });
  await log.close();

  const stop = async () => {
    child.kill("SIGTERM");
    const stopped = await Promise.race([child.exited, Bun.sleep(15_000).then(() => "hangs" as const)]);
    if (stopped === "hangs") child.kill("SIGKILL");
    await child.exited;
  };

  const crash = () => {
    if (child.exitCode !== null) return `exit ${child.exitCode}`;
    return child.signalCode === null ? undefined : `killed by ${child.signalCode}`;
  };

  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline && !crash()) {
    if (await answers(url, authority)) return { host, url, logFile, crash, stop };
    await Bun.sleep(50);
  }
  await stop();
  const lines = (await Bun.file(logFile).text()).trim().split("\n");
  throw new Error(`Berth does not answer:\n${lines.slice(-10).join("\n")}`);
}

/** The settings of a Berth that this machine may run are not for the one under test. */
function withoutBerth(environment: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(environment).filter(([name]) => !name.startsWith("BERTH_"));
  return Object.fromEntries(kept) as Record<string, string>;
}

async function answers(url: string, authority: string | undefined): Promise<boolean> {
  try {
    const tls = authority === undefined ? {} : { tls: { ca: Bun.file(authority) } };
    return (await fetch(`${url}/v2/`, { signal: AbortSignal.timeout(2_000), ...tls })).status === 401;
  } catch {
    return false;
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
