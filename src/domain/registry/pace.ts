import type { Bytes } from "./ports.ts";

/** Waits as long as it takes for so many more bytes to be due. */
export type Pace = (sizeBytes: number) => Promise<void>;

/** What was not used for a while may be caught up on for so long, and no longer. */
const catchUpMs = 200;
/** Shorter waits are saved up: a timer costs more than they are. */
const leastWaitMs = 5;

/** @param bytesPerSecond 0 for as fast as possible */
export function createPace(bytesPerSecond: number): Pace {
  let dueMs = performance.now();
  return async (sizeBytes) => {
    if (bytesPerSecond === 0) return;
    const nowMs = performance.now();
    dueMs = Math.max(dueMs, nowMs - catchUpMs) + (sizeBytes / bytesPerSecond) * 1000;
    const waitMs = dueMs - nowMs;
    if (waitMs > leastWaitMs) await new Promise((resolve) => setTimeout(resolve, waitMs));
  };
}

export async function* paced(bytes: Bytes, pace: Pace): Bytes {
  for await (const chunk of bytes) {
    await pace(chunk.length);
    yield chunk;
  }
}
