import { createPlanner } from "../lifecycle/planner.ts";
import type { LifecycleOptions, LifecyclePlan, LifecyclePolicy } from "../lifecycle/types.ts";
import type { Nouns } from "./ports.ts";

/** Some milliseconds of work for the database and for the planner. */
const imagesTogether = 1000;

/** Feeds all images of a repository to a planner. Nobody waits long meanwhile, and only the plan stays in memory. */
export async function planRepository(
  { lifecycleImages }: Pick<Nouns, "lifecycleImages">,
  repositoryId: number,
  policy: LifecyclePolicy,
  { now, options, signal }: { readonly now: Date; readonly options: LifecycleOptions; readonly signal?: AbortSignal },
): Promise<LifecyclePlan> {
  const planner = createPlanner(policy, now.getTime(), options);
  for (let after: number | undefined; ; ) {
    signal?.throwIfAborted();
    const images = await lifecycleImages.page(repositoryId, { after, limit: imagesTogether });
    for (const image of images) planner.add(image);
    after = images.at(-1)?.id;
    await othersTurn();
    if (images.length < imagesTogether) return planner.finishInTurns(othersTurn);
  }
}

/** Lets whatever else waits in this process go first: an embedded database answers without ever giving way. */
export function othersTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Pieces of some, for what is done together. */
export function* inPieces<Item>(items: Iterable<Item>, size: number): Generator<Item[]> {
  let piece: Item[] = [];
  for (const item of items) {
    piece.push(item);
    if (piece.length < size) continue;
    yield piece;
    piece = [];
  }
  if (piece.length > 0) yield piece;
}
