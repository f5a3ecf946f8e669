import { startWorker, type WorkerTask } from "../app.ts";
import { CannotStart } from "../opening.ts";
import { createLog, type Log } from "../server/log.ts";
import { connectToSupervisor, type Supervisor } from "../workers/channel.ts";
import { CommandFailed } from "./failure.ts";
import { version } from "./version.ts";

/**
 * One of the processes behind `berth serve` with several workers. It has its settings from the supervisor.
 * @param expected the supervisor's version. The program may have been replaced since the supervisor was started, and a
 *   newer worker would change the database under the older ones.
 */
export async function work(number: string, expected: string): Promise<void> {
  const supervisor = connectToSupervisor();
  if (!supervisor) throw new CommandFailed("`berth worker` is for `berth serve` to start. Set BERTH_WORKERS");
  // A terminal's Ctrl-C reaches every process of its group. The supervisor decides what it means.
  process.on("SIGINT", () => {});
  const asked = new Promise<"asked">((resolve) => void process.on("SIGTERM", () => resolve("asked")));
  const ended = Promise.race([supervisor.ended, asked]);

  const task = await Promise.race([supervisor.task, ended.then(() => undefined)]);
  if (task === undefined) process.exit(1);
  const { config } = task as WorkerTask;
  const log = createLog({ ...config.log, worker: Number(number) });
  process.on("unhandledRejection", (error) => log.error({ error }, "a promise was rejected and nobody looked"));
  if (expected !== version) {
    const error = new CannotStart(`the program was replaced by version ${version}. Start Berth anew`);
    return reportFailure(error, supervisor, log);
  }
  const running = await startWorker(task as WorkerTask, log).catch((error) => reportFailure(error, supervisor, log));
  supervisor.listening(running.count);

  const why = await ended;
  if (why === "abandoned") log.error({}, "the supervisor is gone: stopping");
  try {
    await running.stop();
    await supervisor.farewell();
    process.exit(why === "abandoned" ? 1 : 0);
  } catch (error) {
    log.error({ error }, "could not stop properly");
    process.exit(1);
  }
}

/** The supervisor says it, once for all workers, and then ends this process. */
async function reportFailure(error: unknown, supervisor: Supervisor, log: Log): Promise<never> {
  if (!(error instanceof CannotStart)) log.error({ error }, "a worker cannot start");
  supervisor.failed(error instanceof Error ? error.message : String(error));
  await supervisor.ended;
  process.exit(1);
}
