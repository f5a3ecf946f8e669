import type { EvaluationOptions, Retention } from "../lifecycle/ports.ts";
import type { Hold } from "../lifecycle/types.ts";
import type { Digest, Tag } from "../names.ts";
import type { Nouns } from "./ports.ts";
import { checkedRetention } from "./retention.ts";
import { type HoldTarget, toHold } from "./retention-ports.ts";

type Kept = Pick<Nouns, "holds" | "retentions">;

/** A page of holds: two are all that a repository can have. */
const holdsTogether = 500;

/** What lifecycle evaluations go by beside the policy: retention documents and holds. */
export function createKeptByRetention(clock: () => Date): Retention<Kept> {
  return {
    lifecycleOptionsOf: (nouns, { id }) => lifecycleOptions(nouns, id, clock()),
    async holdsOn({ holds }, { id }, { digest, tags }) {
      const targets: HoldTarget[] = [digest as Digest, ...(tags as readonly Tag[])];
      return (await holds.on(id, targets, clock())).map(toHold);
    },
  };
}

/**
 * @param document in the place of the one that is stored
 * @throws InvalidParameter for a document that cannot be read: nothing is done by half of what somebody said
 */
export async function lifecycleOptions(
  { holds, retentions }: Kept,
  repositoryId: number,
  at: Date,
  document?: string,
): Promise<EvaluationOptions> {
  const stored = await retentions.find(repositoryId);
  const said = document ?? stored.document;
  const { retain, ageFrom, signatureTags } = said === undefined ? {} : checkedRetention(said);
  const held: Hold[] = [];
  for (let after: string | undefined; ; ) {
    const page = await holds.list(repositoryId, { after, limit: holdsTogether }, at);
    held.push(...page.map(toHold));
    after = page.at(-1)?.target;
    if (page.length < holdsTogether) break;
  }
  return { retain, ageFrom, signatureTags, holds: held, reportOnly: stored.reportOnly };
}
