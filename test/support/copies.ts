import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Image } from "../clients/images.ts";
import { buildImage } from "../clients/images.ts";
import { openRegistry } from "../clients/registry.ts";
import { runProgram, startServing } from "./program.ts";

/** Servers and commands for tests of `berth copy` and `berth import`. */

export const keys = { AWS_ACCESS_KEY_ID: "AKIACOPIESTEST000000", AWS_SECRET_ACCESS_KEY: "a secret of the tests" };

export async function copyWorld(name: string) {
  const root = mkdtempSync(join(tmpdir(), `berth-${name}-`));
  const servers: Awaited<ReturnType<typeof startServing>>[] = [];

  async function server(env: Record<string, string> = {}) {
    const started = await startServing(mkdtempSync(join(root, "server-")), {
      BERTH_ROOT_ACCESS_KEY_ID: keys.AWS_ACCESS_KEY_ID,
      BERTH_ROOT_SECRET_ACCESS_KEY: keys.AWS_SECRET_ACCESS_KEY,
      BERTH_CREATE_ON_PUSH: "true",
      ...env,
    });
    servers.push(started);
    return {
      ...started,
      host: hostOf(started.url),
      registry: openRegistry(started.url, keys.AWS_ACCESS_KEY_ID, keys.AWS_SECRET_ACCESS_KEY),
    };
  }

  return {
    root,
    folder: () => mkdtempSync(join(root, "in-")),
    server,
    async close() {
      for (const each of servers) await each.stop();
      rmSync(root, { recursive: true });
    },
  };
}

export const hostOf = (url: string) => url.replace("http://", "");

/** A home in which Docker is logged in to these hosts, as the root user. */
export function homeFor(folder: string, hosts: readonly string[]): Record<string, string> {
  const auth = btoa(`${keys.AWS_ACCESS_KEY_ID}:${keys.AWS_SECRET_ACCESS_KEY}`);
  const home = mkdtempSync(join(folder, "home-"));
  const auths = Object.fromEntries(hosts.map((host) => [host, { auth }]));
  mkdirSync(join(home, ".docker"));
  writeFileSync(join(home, ".docker", "config.json"), JSON.stringify({ auths }));
  return { HOME: home };
}

export async function berth(args: string[], env: Record<string, string>, cwd?: string) {
  const ended = await runProgram("berth", args, { env, cwd });
  return { ...ended, lines: ended.out.trim().split("\n") };
}

/** The lines of JSON of a command. */
export async function berthJson(args: string[], env: Record<string, string>) {
  const ended = await berth([...args, "--json"], env);
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at members that it expects
  const objects: Record<string, any>[] = ended.out.trim() === "" ? [] : ended.lines.map((line) => JSON.parse(line));
  return { ...ended, objects, summary: objects.at(-1)?.summary ?? {} };
}

/** An image whose one layer has so many bytes that cannot be packed. */
export function largeImage(bytes: number): Image {
  return buildImage([[{ path: "large", bytes: randomBytes(bytes) as Uint8Array<ArrayBuffer> }]]);
}
