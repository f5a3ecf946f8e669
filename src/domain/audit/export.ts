import { opened } from "./packs.ts";
import type { AuditMetadata } from "./ports.ts";

const packsAtOnce = 16;

/** All records of a range, in the order of the chain, some at a time. */
export async function* exportRecords(
  { read }: Pick<AuditMetadata, "read">,
  { since, until }: { readonly since?: Date; readonly until?: Date },
): AsyncGenerator<string[]> {
  // What is added meanwhile is of no interest, and could go on for ever.
  const { newest } = await read.audit.ends();
  for (let after = 0; after < newest.sequence; ) {
    const packs = await read.audit.chain({ after, limit: packsAtOnce });
    const last = packs.at(-1);
    if (!last) return;
    after = last.lastSequence;
    const wanted = packs
      .filter(({ firstAt, lastAt }) => (!since || lastAt >= since) && (!until || firstAt < until))
      .flatMap(opened)
      .filter(({ at, sequence }) => sequence <= newest.sequence && (!since || at >= since) && (!until || at < until));
    if (wanted.length > 0) yield wanted.map(({ record }) => record);
  }
}
