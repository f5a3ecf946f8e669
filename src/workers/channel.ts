import type { ToSupervisor, ToWorker } from "./messages.ts";

/** The supervisor, as a worker has it. */
export interface Supervisor {
  /** What it wants done. Never resolves when the supervisor changes its mind or is gone; `ended` does then. */
  readonly task: Promise<unknown>;
  /** Resolves when the worker shall end: it was told to, or its supervisor is gone. */
  readonly ended: Promise<"told" | "abandoned">;
  /** From now on the supervisor's questions are answered with what `count` counts, and `change` hears of a changed task. */
  listening(count: () => Promise<unknown>, change: (task: unknown) => void): void;
  failed(reason: string): void;
  /** Tells the last figures, before the worker ends. */
  farewell(): Promise<void>;
}

/** `undefined` in a process that no supervisor has started. */
export function connectToSupervisor(): Supervisor | undefined {
  if (!process.send) return undefined;
  const task = Promise.withResolvers<unknown>();
  const ended = Promise.withResolvers<"told" | "abandoned">();
  let count: (() => Promise<unknown>) | undefined;
  let change: ((task: unknown) => void) | undefined;
  /** Came while the worker was beginning. */
  let missed: { readonly task: unknown } | undefined;
  // The supervisor may go between any two lines; then `ended` tells, and nobody misses the message.
  const say = (message: ToSupervisor) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  };
  const sayCounted = async (id: number) => {
    if (count) say({ kind: "counted", id, counted: await count() });
  };

  process.on("message", (message: ToWorker) => {
    if (message.kind === "begin") task.resolve(message.task);
    else if (message.kind === "change") {
      if (change) change(message.task);
      else missed = message;
    } else if (message.kind === "count") void sayCounted(message.id);
    else ended.resolve("told");
  });
  process.on("disconnect", () => ended.resolve("abandoned"));
  return {
    task: task.promise,
    ended: ended.promise,
    listening(how, follow) {
      count = how;
      change = follow;
      if (missed) follow(missed.task);
      say({ kind: "listening" });
    },
    failed: (reason) => say({ kind: "failed", reason }),
    farewell: () => sayCounted(0),
  };
}
