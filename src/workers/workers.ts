import type { Log } from "../server/log.ts";
import type { ToSupervisor, ToWorker } from "./messages.ts";

export interface WorkersOptions {
  readonly count: number;
  /** The command line of a worker. They are numbered from 1. */
  command(worker: number): string[];
  /** The port that they share, which must be ours all the time. */
  readonly port: {
    /** Called before a worker is started while none listens. Throws when another program has the port by now. */
    hold(): void;
    /** Called when a worker listens. */
    release(): void;
  };
  /** Takes over the last words of a worker that ended. */
  remember(counted: unknown): void;
  readonly log: Log;
}

/** Processes that do the same work, and are started again when they die. */
export interface Workers {
  /** Gives them their task, and resolves when all of them listen. @throws WorkerFailed */
  begin(task: unknown): Promise<void>;
  /** Gives those that run, and all that are started from now on, a task that has changed. */
  change(task: unknown): void;
  /** What each has counted; for one that does not answer in time, what it said last. */
  count(timeoutMs: number): Promise<{ readonly worker: number; readonly counted: unknown }[]>;
  /** Lets each finish what is in flight for so long, and ends those that have not. Safe to call at any time. */
  stop(graceMs: number): Promise<void>;
}

/** A worker cannot begin its work. The message says why, for the operator. */
export class WorkerFailed extends Error {
  override readonly name = "WorkerFailed";
}

interface Worker {
  readonly number: number;
  process: Bun.Subprocess;
  isListening: boolean;
  startedAtMs: number;
  /** Deaths in a row, each soon after the start. */
  earlyDeaths: number;
  /** Why it could not begin, when it said so. */
  reason?: string;
  counted?: unknown;
  restart?: ReturnType<typeof setTimeout>;
}

/** Who ran for so long was not killed by its start. */
const steadyMs = 10_000;
const firstPauseMs = 100;
const longestPauseMs = 10_000;
/** What a worker may take beyond its grace, to cut requests off and to close what is open. */
const closingMs = 4_000;

/** Starts the processes at once; they load their code while the caller prepares the task. */
export function startWorkers({ count, command, port, remember, log }: WorkersOptions): Workers {
  let task: { readonly given: unknown } | undefined;
  let phase: "starting" | "running" | "stopping" = "starting";
  const begun = Promise.withResolvers<void>();
  // Whoever waits for it hears of it; before `begin` nobody does.
  begun.promise.catch(() => {});
  const questions = new Map<number, (counted: unknown) => void>();
  let lastQuestion = 0;
  const killAll = () => {
    for (const { process } of workers) process.kill("SIGKILL");
  };
  // However the supervisor ends, short of being killed: nobody stays behind.
  process.on("exit", killAll);

  const workers: Worker[] = [];
  for (let number = 1; number <= count; number++) {
    const started = spawn(number);
    workers.push({ number, process: started, isListening: false, startedAtMs: performance.now(), earlyDeaths: 0 });
  }

  function spawn(number: number): Bun.Subprocess {
    return Bun.spawn(command(number), {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      ipc: (message: ToSupervisor, from) => {
        const worker = workers[number - 1];
        if (worker?.process === from) hear(worker, message);
      },
      onExit: (from, code, signal) => {
        const worker = workers[number - 1];
        if (worker?.process === from) bury(worker, signal === null ? `code ${code}` : `signal ${signal}`);
      },
    });
  }

  function say(worker: Worker, message: ToWorker): void {
    try {
      worker.process.send(message);
    } catch {
      // It has just ended, which `onExit` is about to tell.
    }
  }

  function hear(worker: Worker, message: ToSupervisor): void {
    if (message.kind === "listening") {
      worker.isListening = true;
      port.release();
      log.info({ worker: worker.number, pid: worker.process.pid }, "a worker listens");
      if (phase !== "starting" || !workers.every(({ isListening }) => isListening)) return;
      phase = "running";
      begun.resolve();
    } else if (message.kind === "failed") {
      worker.reason = message.reason;
      worker.process.kill("SIGKILL");
    } else {
      worker.counted = message.counted;
      questions.get(message.id)?.(message.counted);
    }
  }

  function bury(worker: Worker, how: string): void {
    const { number, startedAtMs, counted, reason } = worker;
    const ranMs = Math.round(performance.now() - startedAtMs);
    if (counted !== undefined) remember(counted);
    worker.isListening = false;
    worker.counted = undefined;
    worker.reason = undefined;
    if (phase === "stopping") return;
    if (phase === "starting") {
      // At the start the operator looks on, and the settings are likely to blame.
      begun.reject(new WorkerFailed(reason ?? `worker ${number} ended with ${how} before it listened`));
      return;
    }
    worker.earlyDeaths = ranMs < steadyMs ? worker.earlyDeaths + 1 : 0;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.max(0, worker.earlyDeaths - 1));
    const facts = { worker: number, pid: worker.process.pid, ranMs, pauseMs };
    if (reason === undefined) log.error({ ...facts, how }, "a worker ended, and is started again");
    else log.error({ ...facts, reason }, "a worker cannot start, and is tried again");
    reviveIn(worker, pauseMs);
  }

  function reviveIn(worker: Worker, pauseMs: number): void {
    worker.restart = setTimeout(() => {
      if (phase !== "running") return;
      try {
        if (!workers.some(({ isListening }) => isListening)) port.hold();
        worker.startedAtMs = performance.now();
        worker.process = spawn(worker.number);
      } catch (error) {
        log.error({ worker: worker.number, error }, "a worker cannot be started, and is tried again");
        reviveIn(worker, longestPauseMs);
        return;
      }
      if (task) say(worker, { kind: "begin", task: task.given });
    }, pauseMs);
  }

  function ask(worker: Worker, timeoutMs: number): Promise<unknown> {
    const id = ++lastQuestion;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => resolve(worker.counted), timeoutMs);
    questions.set(id, resolve);
    say(worker, { kind: "count", id });
    return promise.finally(() => {
      clearTimeout(timer);
      questions.delete(id);
    });
  }

  async function stop(graceMs: number): Promise<void> {
    phase = "stopping";
    const over = setTimeout(() => {
      const left = workers.filter(({ process }) => process.exitCode === null && process.signalCode === null);
      log.warn({ workers: left.map(({ number }) => number) }, "workers did not end in time and were killed");
      killAll();
    }, graceMs + closingMs);
    for (const worker of workers) {
      clearTimeout(worker.restart);
      say(worker, { kind: "stop" });
    }
    await Promise.all(workers.map(({ process }) => process.exited));
    clearTimeout(over);
    process.off("exit", killAll);
  }

  return {
    begin(given) {
      task = { given };
      for (const worker of workers) say(worker, { kind: "begin", task: given });
      return begun.promise;
    },
    change(given) {
      if (!task) return;
      task = { given };
      for (const worker of workers) say(worker, { kind: "change", task: given });
    },
    async count(timeoutMs) {
      const listening = workers.filter(({ isListening }) => isListening);
      const counted = await Promise.all(listening.map((worker) => ask(worker, timeoutMs)));
      return listening
        .map(({ number: worker }, index) => ({ worker, counted: counted[index] }))
        .filter(({ counted }) => counted !== undefined);
    },
    stop,
  };
}
