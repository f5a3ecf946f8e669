import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";

const HELPER = join(import.meta.dirname, "..", "..", "bin", "docker-credential-berth.js");

/**
 * Sets a program up with the credential helper and no login: what its configuration says, written to `configFile`, and
 * the environment in which it finds the helper.
 */
export async function withHelper({ folder, host }: World, configFile: string): Promise<Record<string, string>> {
  const bin = join(folder, "helper-bin");
  await mkdir(bin, { recursive: true });
  await symlink(HELPER, join(bin, "docker-credential-berth")).catch(() => undefined);
  await mkdir(join(configFile, ".."), { recursive: true });
  await writeFile(configFile, JSON.stringify({ credHelpers: { [host]: "berth" } }));
  return { PATH: `${bin}:${process.env.PATH}` };
}
