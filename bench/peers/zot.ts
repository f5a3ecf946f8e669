import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, launch, type PeerKind } from "./peer.ts";
import { findProgram, goVersion } from "./programs.ts";

export const zot: PeerKind = {
  name: "zot",
  registry: true,
  find: () => findProgram("BENCH_ZOT", "zot", "no zot on PATH; --install builds it, or set BENCH_ZOT"),
  version: (program) => goVersion(program, "zotregistry.io/zot"),
  async start(program, parent) {
    const port = await freePort();
    const folder = join(parent, "zot");
    mkdirSync(folder, { recursive: true });
    const config = join(folder, "config.json");
    // zot's own presets (a digest is stored once, nothing is synced to the disk), but for its collector of garbage,
    // which would run within every push. Both favour it.
    const storage = { rootDirectory: join(folder, "data"), dedupe: true, commit: false, gc: false };
    const http = { address: "127.0.0.1", port: String(port) };
    writeFileSync(config, JSON.stringify({ storage, http, log: { level: "error" } }));
    return launch({ name: "zot", command: [program, "serve", config], folder, port, readyPath: "/v2/" });
  },
};
