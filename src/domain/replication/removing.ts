import { Refusal } from "../errors.ts";
import { failureCodeOf } from "./failures.ts";
import type { RemovalJob } from "./ports.ts";
import { laterThan, type ReplicatingParts } from "./replicating.ts";

/**
 * Does one removal. May run twice: what is not there is fine. What the destination refuses stays, be it that it may not go,
 * or that somebody holds it there: a removal is a wish.
 * @returns why it stays
 * @throws NotYet
 */
export async function removeReplica(
  { metadata, openTarget, clock }: ReplicatingParts,
  job: RemovalJob,
  { signal, since }: { readonly signal: AbortSignal; readonly since: Date },
): Promise<unknown> {
  const { read } = metadata;
  const { digest, tag, to, name } = job;
  const source = await read.repositories.find(job, name);
  // With its repository nothing goes: it was not removed by itself.
  if (!source) return undefined;
  // Pushed again since: whatever brings it there comes by itself.
  const isBack = tag === undefined ? await read.images.find(source.id, digest) : await read.tags.find(source.id, tag);
  if (isBack) return undefined;
  const target = openTarget(source, to, { signal });
  try {
    await (tag === undefined ? target.remove(digest) : target.untag(digest, tag));
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    // Here no refusal passes by itself: an index needs it, somebody holds it, or it may not go.
    if (error instanceof Refusal || failureCodeOf(error) !== undefined) return error;
    throw laterThan(clock().getTime() - since.getTime(), to, error);
  }
}
