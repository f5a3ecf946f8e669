import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { freePort, launch, output, type PeerKind } from "./peer.ts";
import { findProgram } from "./programs.ts";

/** The limit for pulls: one file, sent by the kernel. */
export const nginx: PeerKind = {
  name: "nginx",
  registry: false,
  find: () => findProgram("BENCH_NGINX", "nginx", "no nginx on PATH; install it, or set BENCH_NGINX"),
  version: async (program) => (await output([program, "-v"])).split("/").at(-1) ?? "?",
  async start(program, parent, file = "/dev/null") {
    const port = await freePort();
    const folder = join(parent, "nginx");
    mkdirSync(folder, { recursive: true });
    const config = join(folder, "nginx.conf");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    // As root, nginx would hand the work to a user who may not read the file.
    const user = userInfo().uid === 0 ? "user root;" : "";
    const lines = [
      `${user} worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error.log;`,
      "events { worker_connections 512; }",
      "http { access_log off; sendfile on; tcp_nopush on;",
      ...temporary.map((name) => `${name}_temp_path ${folder}/${name};`),
      `server { listen 127.0.0.1:${port}; location /layer { alias ${file}; } } }`,
    ];
    writeFileSync(config, `${lines.join("\n")}\n`);
    const command = [program, "-p", folder, "-c", config];
    return launch({ name: "nginx", command, folder, port, readyPath: "/" });
  },
};
