import type { Registry } from "../names.ts";
import { opened } from "./packs.ts";
import type { AuditEvent, AuditPack, AuditPacks, AuditPosition } from "./ports.ts";

export interface Page {
  /** Both inclusive. */
  readonly from: Date;
  readonly until: Date;
  readonly after?: AuditPosition;
  readonly limit: number;
}

const fewestPacks = 2;
/** Each is some kilobytes. */
const mostPacks = 64;
const usualInPack = 64;

/** The records of a registry, newest first; of one moment, the last in the chain first. */
export async function listRecords(
  { list }: Pick<AuditPacks, "list">,
  registry: Registry,
  { from, until, after, limit }: Page,
): Promise<AuditEvent[]> {
  const isWanted = ({ at, sequence }: AuditEvent) =>
    at >= from && at <= until && (!after || at < after.at || (at <= after.at && sequence < after.sequence));
  const range = { from, until: after && after.at < until ? after.at : until };
  let found: AuditEvent[] = [];
  let behind: AuditPack | undefined;
  let count = Math.min(mostPacks, fewestPacks + Math.floor(limit / usualInPack));
  for (;;) {
    const packs = await list(registry, { ...range, behind, limit: count });
    for (const pack of packs) {
      const last = found[limit - 1];
      // All records of this pack and of those that follow are older.
      if (last && last.at > pack.lastAt) return found;
      found = [...found, ...opened(pack).filter(isWanted)].sort(newestFirst).slice(0, limit);
    }
    if (packs.length < count) return found;
    behind = packs.at(-1);
    // Where little happens, a pack has few records.
    count = Math.min(mostPacks, count * 2);
  }
}

function newestFirst(a: AuditEvent, b: AuditEvent): number {
  return b.at.getTime() - a.at.getTime() || b.sequence - a.sequence;
}
