import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Runs Berth on the Bun that npm installed beside it, whichever Node npm itself runs on. */
export function run(args) {
  const here = dirname(fileURLToPath(import.meta.url));
  const bun = join(dirname(createRequire(import.meta.url).resolve("bun/package.json")), "bin", "bun.exe");
  const main = join(here, "..", "src", "cli", "main.ts");

  // Bun has as many threads for files as there are cores, and each sync of a file blocks one. It reads this at its start only.
  // Its collector of memory goes by the size of the machine; told of 256 MiB, it runs often enough to keep a push small.
  const env = { UV_THREADPOOL_SIZE: "16", BUN_JSC_forceRAMSize: "268435456", ...process.env };
  const child = spawn(bun, ["--no-env-file", main, ...args], { stdio: "inherit", env });
  // A terminal sends Ctrl-C to both of us; the child decides when to end.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`berth: cannot run ${bun}: ${error.message}. Run npm ci`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(signal ? 1 : code));
}
