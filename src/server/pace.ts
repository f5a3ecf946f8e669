/** The body came so slowly that its connection is worth more to others. */
export class BodyTooSlow extends Error {
  override readonly name = "BodyTooSlow";
}

export interface PaceParts {
  /** At least 1: what stands still must end some day. */
  readonly minBytesPerSecond: number;
  /** Over so much time the pace is taken. A body that stands still is cut off after this much, at most twice as much. */
  readonly windowMs: number;
  /** Milliseconds of any clock that only goes forward. */
  readonly now: () => number;
}

export interface PaceKeeper {
  /** The same bytes, until they come too slowly: then it throws `BodyTooSlow`, after telling `tooSlow`. */
  keep(bytes: AsyncIterable<Uint8Array>, tooSlow: () => void): AsyncIterable<Uint8Array>;
  /** Looks at every body that is being waited for. To be called several times per window. */
  check(): void;
}

/** One body in its window. Only the time that we wait for the client counts, not the time that it waits for us. */
interface Transfer {
  receivedBytes: number;
  waitedMs: number;
  waitingSince: number | undefined;
  giveUp: () => void;
}

/**
 * Bun's own rule asks 16 KiB/s of every body, which real links do not have, and knows nothing less than that but no rule
 * at all. So the listener lifts it and this keeps the pace.
 */
export function createPaceKeeper({ minBytesPerSecond, windowMs, now }: PaceParts): PaceKeeper {
  const transfers = new Set<Transfer>();

  return {
    keep: (bytes, tooSlow) => ({
      [Symbol.asyncIterator]() {
        const chunks = bytes[Symbol.asyncIterator]();
        const transfer: Transfer = { receivedBytes: 0, waitedMs: 0, waitingSince: undefined, giveUp: () => {} };
        let isOver = false;
        transfers.add(transfer);

        function arrived({ done, value }: IteratorResult<Uint8Array>): void {
          transfer.waitedMs += now() - (transfer.waitingSince ?? now());
          transfer.waitingSince = undefined;
          if (done) end();
          else transfer.receivedBytes += value.length;
        }
        function end(): void {
          isOver = true;
          transfers.delete(transfer);
        }

        // Written out, because a generator would cost a push some percent of its time.
        return {
          next() {
            if (isOver) return Promise.resolve({ done: true, value: undefined });
            transfer.waitingSince = now();
            // A race of promises would hold on to those of every chunk.
            return new Promise((resolve, reject) => {
              const failed = (error: unknown) => {
                end();
                reject(error);
              };
              transfer.giveUp = () => {
                tooSlow();
                failed(new BodyTooSlow(`less than ${minBytesPerSecond} bytes per second`));
              };
              chunks.next().then((result) => {
                if (isOver) return;
                arrived(result);
                resolve(result);
              }, failed);
            });
          },
          async return() {
            // After a cut, the source would wait for the chunk that does not come.
            if (!isOver) await chunks.return?.();
            end();
            return { done: true, value: undefined };
          },
        };
      },
    }),
    check() {
      const at = now();
      for (const transfer of transfers) {
        if (transfer.waitingSince === undefined) continue;
        const waitedMs = transfer.waitedMs + at - transfer.waitingSince;
        if (waitedMs < windowMs) continue;
        if (transfer.receivedBytes * 1000 < minBytesPerSecond * waitedMs) transfer.giveUp();
        else Object.assign(transfer, { receivedBytes: 0, waitedMs: 0, waitingSince: at });
      }
    },
  };
}
