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

  /** The next chunk, or a rejection by `check`, whichever comes first. A race would hold on to every chunk's promise. */
  async function next(chunks: AsyncIterator<Uint8Array>, transfer: Transfer): Promise<IteratorResult<Uint8Array>> {
    const started = now();
    transfer.waitingSince = started;
    try {
      return await new Promise((resolve, reject) => {
        transfer.giveUp = () => reject(new BodyTooSlow(`less than ${minBytesPerSecond} bytes per second`));
        chunks.next().then(resolve, reject);
      });
    } finally {
      transfer.waitedMs += now() - transfer.waitingSince;
      transfer.waitingSince = undefined;
    }
  }

  return {
    async *keep(bytes, tooSlow) {
      const chunks = bytes[Symbol.asyncIterator]();
      const transfer: Transfer = { receivedBytes: 0, waitedMs: 0, waitingSince: undefined, giveUp: () => {} };
      transfers.add(transfer);
      let isTooSlow = false;
      try {
        for (;;) {
          const { done, value } = await next(chunks, transfer);
          if (done) return;
          transfer.receivedBytes += value.length;
          yield value;
        }
      } catch (error) {
        isTooSlow = error instanceof BodyTooSlow;
        if (isTooSlow) tooSlow();
        throw error;
      } finally {
        transfers.delete(transfer);
        // It would wait for the chunk that does not come.
        if (!isTooSlow) await chunks.return?.();
      }
    },
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
