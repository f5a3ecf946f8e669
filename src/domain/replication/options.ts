import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { parseRegion, type RepositoryName } from "../names.ts";
import { type ImageReference, imageNotFound, resolveImage } from "../registry/image-references.ts";
import type { Image, Metadata } from "../registry/ports.ts";
import { existing } from "../registry/repositories.ts";
import { nameOf } from "./jobs.ts";
import { destinationsOf, isSame } from "./planner.ts";
import { type Destination, noOptions, type ReplicationOptions } from "./ports.ts";
import { beginReplica, type ReplicatingNouns, wantedTags } from "./trigger.ts";

/** What replication can do beyond ECR's. Each method acts in the registry that the grant is for. */
export interface ReplicationExtras {
  options(granted: Granted): Promise<ReplicationOptions>;
  /** Changes what is given. */
  setOptions(granted: Granted, change: Partial<ReplicationOptions>): Promise<ReplicationOptions>;
  /**
   * Sends images now: those that are named, or all of a repository, to one destination, or to all that rules name. Answers
   * how many are on their way.
   * @throws RepositoryNotFound, ImageNotFound, InvalidParameter
   */
  replicate(
    granted: Granted,
    name: RepositoryName,
    what: { readonly references?: readonly ImageReference[]; readonly to?: Destination },
  ): Promise<number>;
}

export interface ReplicationExtrasParts {
  readonly metadata: Metadata<ReplicatingNouns>;
  readonly reaches: (destination: Destination) => boolean;
  readonly clock: () => Date;
}

const imagesTogether = 100;

export function createReplicationExtras({ metadata, reaches, clock }: ReplicationExtrasParts): ReplicationExtras {
  const { read } = metadata;

  async function destinationsFor({ registry }: Granted, name: RepositoryName, to: Destination | undefined) {
    const invalid = (constraint: string) => refuse("InvalidParameter", { member: "destination", constraint });
    if (to) {
      if (isSame(to, registry)) throw invalid("Replication destination cannot be the same as the source registry");
      if (!parseRegion(to.region) || !reaches(to)) throw invalid(`The destination ${nameOf(to)} is not supported`);
      return [to];
    }
    const rules = (await read.replication.configuration(registry))?.rules ?? [];
    const found = destinationsOf(rules, name, registry);
    if (found.length === 0) throw invalid("No replication rule names a destination for the repository");
    return found;
  }

  return {
    options: async ({ registry }) => (await read.replication.configuration(registry))?.options ?? noOptions,
    async setOptions({ registry }, change) {
      return metadata.transact(async ({ replication }) => {
        const options = { ...((await replication.configuration(registry))?.options ?? noOptions), ...change };
        await replication.setOptions(registry, options);
        return options;
      });
    },
    async replicate(granted, name, { references, to }) {
      const { registry } = granted;
      const destinations = await destinationsFor(granted, name, to);
      const options = (await read.replication.configuration(registry))?.options ?? noOptions;
      let count = 0;
      const send = (some: readonly Image[]) =>
        metadata.transact(async (nouns) => {
          const repository = await existing(nouns.repositories, registry, name);
          const tags = await nouns.tags.ofImages(some.map(({ id }) => id));
          let sent = 0;
          for (const image of some) {
            // Whoever names an image means it.
            const all = tags.get(image.id) ?? [];
            const wanted = references ? all : wantedTags({ tags: all, subject: image.subject }, options);
            if (!wanted || !(await nouns.images.find(repository.id, image.digest))) continue;
            for (const one of destinations) {
              await beginReplica(nouns, repository, { ...image, tags: wanted }, one, clock());
              sent++;
            }
          }
          return sent;
        });
      const { id } = await existing(read.repositories, registry, name);
      if (references) {
        const images: Image[] = [];
        for (const reference of references) {
          const image = await resolveImage(read, id, reference);
          if (!image) throw imageNotFound(registry, name, reference);
          images.push(image);
        }
        return send(images);
      }
      for (let after: number | undefined; ; ) {
        const page: Image[] = await read.images.list(id, "ANY", { after, limit: imagesTogether }, "ACTIVE");
        count += await send(page);
        after = page.at(-1)?.id;
        if (page.length < imagesTogether) return count;
      }
    },
  };
}
