import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { output } from "./peers/peer.ts";

/** What the figures were measured on. */
export async function machineFacts(folder: string) {
  const [device = "?", type = "?"] =
    (await output(["df", "--output=source,fstype", folder])).split("\n").at(-1)?.split(/\s+/) ?? [];
  return {
    cpu: cpus()[0]?.model ?? "?",
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    disk: `${device} (${type})`,
    kernel: release(),
    system: /^PRETTY_NAME="(.+)"$/m.exec(osRelease())?.[1] ?? "?",
    bun: Bun.version,
    curl: (await output(["curl", "--version"])).split(" ")[1] ?? "?",
  };
}

function osRelease(): string {
  try {
    return readFileSync("/etc/os-release", "utf8");
  } catch {
    return "";
  }
}
