/** Work that is done again and again while the process runs. */
export interface Routine {
  /** Stops it, and waits for a run in progress. */
  stop(): Promise<void>;
}

/**
 * Runs `work` every `intervalMs`, counted from the end of one run to the beginning of the next, so that runs never pile
 * up. A run that fails is reported, and the next one comes all the same.
 */
export function every(
  intervalMs: number,
  work: () => Promise<unknown>,
  report: (error: unknown) => void,
  firstAfterMs = intervalMs,
): Routine {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> = Promise.resolve();
  const schedule = (afterMs: number) => {
    if (stopped) return;
    timer = setTimeout(() => {
      running = work().then(() => {}, report);
      void running.then(() => schedule(intervalMs));
    }, afterMs);
    timer.unref?.();
  };
  schedule(firstAfterMs);
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
