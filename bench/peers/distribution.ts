import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, launch, output, type PeerKind } from "./peer.ts";
import { findProgram } from "./programs.ts";

/** Docker's registry: the release that Debian packages, and the current one. */
export const distribution = kind("distribution", "BENCH_DISTRIBUTION", "docker-registry", "Debian's package has it");
export const distribution3 = kind("distribution-3", "BENCH_DISTRIBUTION_3", "registry", "--install builds it");

function kind(name: string, variable: string, program: string, advice: string): PeerKind {
  return {
    name,
    registry: true,
    find: () => findProgram(variable, program, `no ${program} on PATH; ${advice}, or set ${variable}`),
    version: async (path) => (await output([path, "--version"])).split(/\s+/).at(-1)?.replace("+unknown", "") ?? "?",
    async start(path, parent) {
      const port = await freePort();
      const folder = join(parent, name);
      mkdirSync(folder, { recursive: true });
      const config = join(folder, "config.yml");
      const lines = [
        "version: 0.1",
        "log: { level: error, accesslog: { disabled: true } }",
        "storage:",
        // Packages and images of Distribution come with this cache.
        "  cache: { blobdescriptor: inmemory }",
        `  filesystem: { rootdirectory: ${join(folder, "data")} }`,
        `http: { addr: "127.0.0.1:${port}", secret: bench }`,
      ];
      writeFileSync(config, `${lines.join("\n")}\n`);
      // Version 3 sends traces to a collector unless told not to.
      const env = { ...process.env, OTEL_TRACES_EXPORTER: "none" };
      return launch({ name, command: [path, "serve", config], folder, port, readyPath: "/v2/", env });
    },
  };
}
