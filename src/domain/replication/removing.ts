import { Refusal } from "../errors.ts";
import type { PushedImage } from "../registry/images.ts";
import type { Nouns, Repository } from "../registry/ports.ts";
import { failureCodeOf } from "./failures.ts";
import type { RemovalJob } from "./ports.ts";
import { laterThan, type ReplicatingParts } from "./replicating.ts";
import { replicateArrival } from "./trigger.ts";

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
  if (await broughtBack(read, source, job)) return undefined;
  const target = openTarget(source, to, { signal });
  try {
    await (tag === undefined ? target.remove(digest) : target.untag(digest, tag));
    // Pushed again while it went: who brings that may have found the old one still there.
    const back = await broughtBack(read, source, job);
    if (back) await metadata.transact((nouns) => replicateArrival(nouns, source, back, clock()));
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    // Here no refusal passes by itself: an index needs it, somebody holds it, or it may not go.
    if (error instanceof Refusal || failureCodeOf(error) !== undefined) return error;
    throw laterThan(clock().getTime() - since.getTime(), to, error);
  }
}

async function broughtBack(
  read: Nouns,
  source: Repository,
  { digest, tag }: RemovalJob,
): Promise<PushedImage | undefined> {
  const meant = tag === undefined ? digest : (await read.tags.find(source.id, tag))?.digest;
  const image = meant && (await read.images.find(source.id, meant));
  if (!image) return undefined;
  const tags = tag === undefined ? ((await read.tags.ofImages([image.id])).get(image.id) ?? []) : [tag];
  return { ...image, tags };
}
