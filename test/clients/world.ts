import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRepositoryCommand, ECRClient, GetAuthorizationTokenCommand } from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { present } from "./expect.ts";
import { run } from "./process.ts";
import { openRegistry } from "./registry.ts";
import { ACCESS_KEY_ID, ACCOUNT, REGION, SECRET_ACCESS_KEY, type Server } from "./server.ts";

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const NAME_WIDTH = 98;

/** Makes the world of one client; `signal` ends every program that still runs in it. */
export async function openWorld(
  client: string,
  server: Server,
  signal: AbortSignal,
): Promise<{ world: World; tally: Tally; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), `berth-${client}-`));
  const cache = process.env.BERTH_CLIENTS_CACHE ?? join(tmpdir(), "berth-cache");
  await mkdir(cache, { recursive: true });
  await mkdir(join(folder, "run"), { mode: 0o700 });

  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  const closers: (() => Promise<void>)[] = [];
  const environment = clientEnvironment(folder, server.url);
  const credentials = { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY };
  const ecr = new ECRClient({ endpoint: server.url, region: REGION, credentials, maxAttempts: 1 });

  const report: World["report"] = (name, outcome, durationMs, message) => {
    tally[outcome === "ok" ? "passed" : "failed"] += 1;
    console.log(`  ${outcome.padEnd(4)} ${name.padEnd(NAME_WIDTH)} ${(durationMs / 1000).toFixed(2).padStart(6)} s`);
    if (message) console.log(message.trim().replace(/^/gm, "         "));
  };

  const world: World = {
    host: server.host,
    url: server.url,
    account: ACCOUNT,
    region: REGION,
    ...credentials,
    folder,
    cache,
    ecr,
    registry: openRegistry(server.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY),
    report,

    async check(name, body) {
      // The client is over: its end has been reported, and its folder is going.
      if (signal.aborted) return false;
      const started = performance.now();
      try {
        await body();
        report(name, "ok", performance.now() - started);
        return true;
      } catch (error) {
        report(name, "FAIL", performance.now() - started, error instanceof Error ? error.message : String(error));
        return false;
      }
    },

    skip(name, reason) {
      tally.skipped += 1;
      console.log(`  skip ${name}: ${reason}`);
    },

    note: (text) => console.log(`       ${text}`),
    run: (command, options) =>
      run(command, { signal, cwd: folder, ...options, env: { ...environment, ...options?.env } }),

    async repository(name, settings) {
      await ecr.send(new CreateRepositoryCommand({ repositoryName: name, ...settings }));
      return `${server.host}/${name}`;
    },

    async password() {
      const { authorizationData } = await ecr.send(new GetAuthorizationTokenCommand({}));
      const token = present(authorizationData?.[0]?.authorizationToken, "authorizationToken");
      return atob(token).replace(/^AWS:/, "");
    },

    atEnd: (close) => void closers.push(close),
  };

  const close = async () => {
    for (const closer of closers.reverse()) {
      await closer().catch((error) => console.log(`       not cleaned up: ${error}`));
    }
    ecr.destroy();
    await removeFolder(folder).catch((error) => console.log(`       not removed: ${error}`));
  };
  return { world, tally, close };
}

/** Image storage may hold folders that their owner cannot write, which only root removes without asking. */
async function removeFolder(folder: string): Promise<void> {
  await run(["chmod", "-R", "u+rwX", folder]).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
}

/**
 * What a program run here sees: a home of its own, so that no login, configuration or key of the person who runs the
 * tests is used or changed, and AWS settings that lead to the server under test only.
 */
function clientEnvironment(home: string, url: string): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(AWS_|DOCKER_|REGISTRY_|XDG_|HELM_|NOTATION_|COSIGN_|TF_)/.test(name),
  );
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    HOME: home,
    XDG_RUNTIME_DIR: join(home, "run"),
    NO_PROXY: "127.0.0.1,localhost",
    no_proxy: "127.0.0.1,localhost",
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
    AWS_DEFAULT_REGION: REGION,
    AWS_REGION: REGION,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_PAGER: "",
    AWS_MAX_ATTEMPTS: "1",
  };
}
