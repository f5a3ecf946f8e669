import { equal, faultIn, lastLink, opened } from "./packs.ts";
import type { AuditMetadata, AuditPack, Ends, Link } from "./ports.ts";

/** Before the first record. */
export const beginning: Link = { sequence: 0, hash: new Uint8Array(32) };

export type Verdict =
  | { readonly intact: true; readonly records: number; readonly newest: Link; readonly removed: Link }
  | { readonly intact: false; readonly sequence: number; readonly problem: string };

export interface VerifyOptions {
  /** A link that was noted before, and that must still be in the chain. */
  readonly noted?: Link;
  progress?(done: number, total: number): void;
}

const packsAtOnce = 32;

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
  if (oldest && Math.min(oldest.firstSequence, oldest.lastSequence) <= removed.sequence) {
    return broken(oldest.firstSequence, "the record lies before the beginning of the chain");
  }
  let records = 0;
  let last = removed;
  while (last.sequence < newest.sequence) {
    const packs = await read.audit.chain({ after: last.sequence, limit: packsAtOnce });
    if (packs[0]?.firstSequence !== last.sequence + 1) {
      // Retention may have taken what was just about to be read.
      const now = await movedOn(read.audit, removed);
      if (!now || now.sequence < last.sequence) return broken(last.sequence + 1, "the record is gone");
      [removed, last, records] = [now, now, 0];
      continue;
    }
    for (const pack of packs) {
      const { firstSequence, lastSequence } = pack;
      if (firstSequence > newest.sequence && last.sequence === newest.sequence) break;
      if (firstSequence !== last.sequence + 1) return broken(last.sequence + 1, "the record is gone");
      const fault = faultIn(pack, last);
      if (fault) return { intact: false, ...fault };
      // A pack and the head's word of it are written together.
      if (lastSequence > newest.sequence) return broken(newest.sequence + 1, behindTheEnd);
      if (noted && firstSequence <= noted.sequence && noted.sequence <= lastSequence && !has(pack, noted)) {
        return broken(noted.sequence, "the record is not the one that was noted: the chain was written anew");
      }
      last = lastLink(pack);
      records += lastSequence - firstSequence + 1;
    }
    progress?.(last.sequence - removed.sequence, newest.sequence - removed.sequence);
  }
  if (last.sequence === newest.sequence && !equal(last.hash, newest.hash)) {
    return broken(last.sequence, "the record is not the one that the chain ends with");
  }
  const behind = await read.audit.chain({ after: newest.sequence, limit: 1 });
  const endsNow = await read.audit.ends();
  if (behind[0] && behind[0].lastSequence > endsNow.newest.sequence) {
    return broken(behind[0].firstSequence, behindTheEnd);
  }
  return { intact: true, records, newest, removed };
}

const behindTheEnd = "the record lies behind the end of the chain";

function has(pack: AuditPack, { sequence, hash }: Link): boolean {
  return opened(pack).some((event) => event.sequence === sequence && equal(event.hash, hash));
}

/** Where the chain begins now, if retention has gone on since. */
async function movedOn(audit: { ends(): Promise<Ends> }, before: Link): Promise<Link | undefined> {
  const { removed } = await audit.ends();
  return removed.sequence > before.sequence ? removed : undefined;
}

function broken(sequence: number, problem: string): Verdict {
  return { intact: false, sequence, problem };
}
