import { hash } from "node:crypto";
import type { AuditEvent, AuditMetadata, Ends, Link, Written } from "./ports.ts";

/** Before the first record. */
export const beginning: Link = { sequence: 0, hash: new Uint8Array(32) };

/** `written`, in their order, as the links that come behind `newest`. */
export function chained(newest: Link, written: readonly Written[]): AuditEvent[] {
  let last = newest;
  return written.map((one) => {
    const sequence = last.sequence + 1;
    const event: AuditEvent = { ...one, sequence, hash: hashOf(last.hash, sequence, one) };
    last = event;
    return event;
  });
}

/** Everything that a row says goes in, also what it is found by. None of the first five lines can have a line break. */
function hashOf(before: Uint8Array, sequence: number, { account, region, at, record }: Written): Uint8Array {
  return hash("sha256", `${before.toHex()}\n${sequence}\n${at.getTime()}\n${account}\n${region}\n${record}`, "buffer");
}

export type Verdict =
  | { readonly intact: true; readonly records: number; readonly newest: Link; readonly removed: Link }
  | { readonly intact: false; readonly sequence: number; readonly problem: string };

export interface VerifyOptions {
  /** A link that was noted before, and that must still be in the chain. */
  readonly noted?: Link;
  progress?(done: number, total: number): void;
}

const linksAtOnce = 1000;

/** Walks the chain, also while others add to its end and retention takes from its beginning. */
export async function verifyChain({ read }: AuditMetadata, options: VerifyOptions = {}): Promise<Verdict> {
  const { noted, progress } = options;
  const ends = await read.audit.ends();
  const { newest } = ends;
  let { removed } = ends;
  if (noted && noted.sequence > newest.sequence) {
    return broken(newest.sequence + 1, `the record is gone: the chain ends at ${newest.sequence}`);
  }
  const [oldest] = await read.audit.oldest(1);
  if (oldest && oldest.sequence <= removed.sequence) {
    return broken(oldest.sequence, "the record lies before the beginning of the chain");
  }
  let records = 0;
  let last = removed;
  while (last.sequence < newest.sequence) {
    const [next, ...rest] = await read.audit.chain({ after: last.sequence, limit: linksAtOnce });
    if (next?.sequence !== last.sequence + 1) {
      // Retention may have taken what was just about to be read.
      const now = await movedOn(read.audit, removed);
      if (!now || now.sequence < last.sequence) return broken(last.sequence + 1, "the record is gone");
      [removed, last, records] = [now, now, 0];
      continue;
    }
    for (const event of [next, ...rest]) {
      if (event.sequence > newest.sequence) break;
      if (event.sequence !== last.sequence + 1) return broken(last.sequence + 1, "the record is gone");
      if (!equal(hashOf(last.hash, event.sequence, event), event.hash)) {
        return broken(event.sequence, "the record is not what was written, or another was in its place before");
      }
      if (noted?.sequence === event.sequence && !equal(noted.hash, event.hash)) {
        return broken(event.sequence, "the record is not the one that was noted: the chain was written anew");
      }
      last = event;
      records++;
    }
    progress?.(last.sequence - removed.sequence, newest.sequence - removed.sequence);
  }
  if (last.sequence === newest.sequence && !equal(last.hash, newest.hash)) {
    return broken(last.sequence, "the record is not the one that the chain ends with");
  }
  const behind = await read.audit.chain({ after: newest.sequence, limit: 1 });
  const endsNow = await read.audit.ends();
  if (behind[0] && behind[0].sequence > endsNow.newest.sequence) {
    return broken(behind[0].sequence, "the record lies behind the end of the chain");
  }
  return { intact: true, records, newest, removed };
}

/** Where the chain begins now, if retention has gone on since. */
async function movedOn(audit: { ends(): Promise<Ends> }, before: Link): Promise<Link | undefined> {
  const { removed } = await audit.ends();
  return removed.sequence > before.sequence ? removed : undefined;
}

function broken(sequence: number, problem: string): Verdict {
  return { intact: false, sequence, problem };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.toHex() === b.toHex();
}
