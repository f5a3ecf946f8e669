/**
 * Time that passes only when the run says so, for everybody in this process who asks `Date.now` or makes an id that
 * tells when it was made: the same seed gives the same run.
 */
export interface Time {
  pass(milliseconds: number): void;
  /** Gives the process its own time back. */
  end(): void;
}

const startMs = Date.UTC(2030, 0, 1);

export function stopTime(): Time {
  const { now } = Date;
  const { randomUUIDv7 } = Bun;
  const mutableBun = Bun as { randomUUIDv7: (...parameters: unknown[]) => string };
  let nowMs = startMs;
  Date.now = () => nowMs;
  mutableBun.randomUUIDv7 = () => randomUUIDv7("hex", nowMs);
  return {
    pass(milliseconds) {
      nowMs += milliseconds;
    },
    end() {
      Date.now = now;
      mutableBun.randomUUIDv7 = randomUUIDv7 as typeof mutableBun.randomUUIDv7;
    },
  };
}
