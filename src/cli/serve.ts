import { isatty } from "node:tty";
import { type Berth, startBerth, startSupervisor } from "../app.ts";
import { loadConfig } from "../config.ts";
import { CannotStart } from "../opening.ts";
import { createLog, type Log } from "../server/log.ts";
import { isLoopback, reachedBy } from "./text.ts";
import { version } from "./version.ts";
import { welcome } from "./welcome.ts";

/** A terminal's Ctrl-C reaches us twice, from the terminal and from npm. That is one wish, not two. */
const sameSignalMs = 500;

/** Whether this is the executable that `npm run build` makes, rather than Bun running a source tree. */
const isCompiled = Bun.main.startsWith("/$bunfs/");

function workerCommand(worker: number): string[] {
  const program = isCompiled ? [process.execPath] : [process.execPath, "--no-env-file", Bun.main];
  return [...program, "worker", String(worker), version];
}

export async function serve({ config: file }: { config?: string }): Promise<void> {
  const config = loadConfig({ file });
  const log = createLog(config.log);
  process.on("unhandledRejection", (error) => log.error({ error }, "a promise was rejected and nobody looked"));

  const starting = config.workers > 1 ? startSupervisor(config, log, workerCommand) : startBerth(config, log);
  stopOnSignal(starting, log);
  const berth = await starting.catch((error) => {
    if (error instanceof CannotStart) log.debug({ error }, "cannot start");
    throw error;
  });

  reloadOnHangUp(berth);

  const publicUrl = reachedBy(berth.publicUrl, config);
  // To standard error, so that standard output has the log and nothing else.
  const command = isCompiled ? "berth" : "npx berth";
  process.stderr.write(welcome({ ...berth, version, publicUrl, createOnPush: config.createOnPush, command }));
  if (config.tls && !publicUrl.startsWith("https:")) {
    log.warn({ publicUrl }, "the server speaks HTTPS only, and BERTH_PUBLIC_URL sends clients to http://");
  } else if (!isLoopback(config.listen.host) && !publicUrl.startsWith("https:")) {
    const listen = `${config.listen.host}:${config.listen.port}`;
    log.warn(
      { listen },
      "passwords and images cross the network unencrypted: set BERTH_TLS_CERTIFICATE and BERTH_TLS_KEY (`berth tls init` makes them), or put a proxy with TLS in front and set BERTH_PUBLIC_URL to its https:// address",
    );
  }
  const { accessKeyId, file: keyFile } = berth.rootKey;
  const { atRest } = config.encryption;
  log.info({ url: berth.url, publicUrl, data: config.data, atRest, accessKeyId, keyFile, version }, "listening");
}

/** A signal during the start stops what the start has opened. */
function stopOnSignal(starting: Promise<Berth>, log: Log): void {
  let firstAt: number | undefined;
  const onSignal = async (signal: NodeJS.Signals) => {
    if (firstAt !== undefined) {
      if (performance.now() - firstAt < sameSignalMs) return;
      log.warn({ signal }, "stopping at once");
      process.exit(1);
    }
    firstAt = performance.now();
    log.info({ signal }, "stopping");
    try {
      await (await starting).stop();
      log.info({}, "stopped");
      process.exit(0);
    } catch (error) {
      log.error({ error }, "could not stop properly");
      process.exit(1);
    }
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

/** As daemons do. On a terminal, SIGHUP says that it was closed, and ends the program as it ends any other. */
function reloadOnHangUp({ reload }: Berth): void {
  if (reload && !isatty(0)) process.on("SIGHUP", reload);
}
