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
  let ids = 0;
  const mutableBun = Bun as { randomUUIDv7: (...parameters: unknown[]) => string };
  let nowMs = startMs;
  Date.now = () => nowMs;
  // Counted, because stores list what they have by such ids.
  mutableBun.randomUUIDv7 = () => {
    const [ms, count] = [nowMs, ids++].map((number) => number.toString(16).padStart(12, "0"));
    return `${ms?.slice(0, 8)}-${ms?.slice(8)}-7000-8000-${count}`;
  };
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
