import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, launch, type Peer, type PeerKind } from "./peer.ts";

export const key = { accessKeyId: "AKIABENCHBENCHBENCHB", secret: "bench-secret-that-opens-nothing-else" };

const root = join(import.meta.dirname, "../..");
export const program = join(root, "src/cli/main.ts");

export const berth: PeerKind = {
  name: "berth",
  registry: true,
  find: () => ({ program }),
  version: async () => (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version,
  start: (_, folder) => startBerth(join(folder, "berth")),
};

/** Berth that leaves encryption to the volume. */
export const berthPlain: PeerKind = {
  ...berth,
  name: "berth-plain",
  start: (_, folder) => startBerth(join(folder, "berth-plain"), { name: "berth-plain", atRest: "volume" }),
};

/** Over what is in the folder already, if anything is. */
export async function startBerth(
  data: string,
  {
    name = "berth",
    atRest = "sealed",
    env = {},
  }: { name?: string; atRest?: "sealed" | "volume"; env?: Record<string, string> } = {},
): Promise<Peer> {
  mkdirSync(data, { recursive: true });
  const port = await freePort();
  return launch({
    name,
    command: berthCommand("serve"),
    folder: data,
    port,
    readyPath: "/readyz",
    authorization: `Basic ${Buffer.from(`${key.accessKeyId}:${key.secret}`).toString("base64")}`,
    env: {
      ...berthEnvironment(data),
      BERTH_LISTEN: `127.0.0.1:${port}`,
      BERTH_METRICS_LISTEN: "127.0.0.1:0",
      BERTH_PUBLIC_URL: `http://127.0.0.1:${port}`,
      BERTH_CREATE_ON_PUSH: "true",
      BERTH_ENCRYPTION_AT_REST: atRest,
      ...env,
    },
  });
}

export function berthCommand(...args: string[]): string[] {
  return [process.execPath, "--no-env-file", program, ...args];
}

/** What every command of this Berth is started with. */
export function berthEnvironment(data: string): Record<string, string | undefined> {
  return {
    // As `npm start` has it.
    UV_THREADPOOL_SIZE: "16",
    BUN_JSC_forceRAMSize: "268435456",
    ...process.env,
    BERTH_DATA: data,
    BERTH_ROOT_ACCESS_KEY_ID: key.accessKeyId,
    BERTH_ROOT_SECRET_ACCESS_KEY: key.secret,
    BERTH_LOG_LEVEL: "error",
  };
}
