import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Registry, RepositoryName, Tag } from "../names.ts";
import { type ImageReference, imageNotFound } from "./image-references.ts";
import type { Image, Metadata, Nouns, Page } from "./ports.ts";
import { existing, kept } from "./repositories.ts";
import type { HoldTarget, StoredHold } from "./retention-ports.ts";

/**
 * Holds: one image that nothing deletes or archives, or one tag that besides stays where it is, for a reason and perhaps
 * until a time. Each method acts in the registry that the grant is for.
 */
export interface HoldService {
  /**
   * Holds an image by its digest, or by a tag that it has, or changes reason and end of the hold that is there.
   * @throws ImageNotFound, Validation, LimitExceeded
   */
  put(granted: Granted, name: RepositoryName, hold: NewHold): Promise<StoredHold>;
  /** @throws HoldNotFound */
  remove(granted: Granted, name: RepositoryName, target: HoldTarget): Promise<void>;
  /** By target. */
  list(granted: Granted, name: RepositoryName, page: Page<string>): Promise<StoredHold[]>;
}

export interface NewHold {
  readonly target: { readonly digest: Image["digest"] } | { readonly tag: Tag };
  readonly reason: string;
  readonly until?: Date;
}

export interface HoldParts {
  readonly metadata: Metadata;
  readonly clock: () => Date;
}

/** Of one repository. Evaluations read them all. */
export const maxHolds = 1000;

export function createHolds({ metadata, clock }: HoldParts): HoldService {
  return {
    async put({ registry, caller }, name, { target, reason, until }) {
      const placedAt = clock();
      if (until && until <= placedAt) {
        throw refuse("Validation", { reason: "The end of the hold is not in the future" });
      }
      return metadata.transact(async (nouns) => {
        const { id: repositoryId } = await kept(nouns.repositories, registry, name);
        await present(nouns, { repositoryId, registry, name }, target);
        const held = "tag" in target ? target.tag : target.digest;
        const hold = { repositoryId, target: held, reason, placedAt, placedBy: caller.principal.arn, until };
        const [before] = await nouns.holds.on(repositoryId, [held], placedAt);
        if (!before && (await nouns.holds.count(repositoryId)) >= maxHolds) {
          throw refuse("LimitExceeded", { reason: `A repository can have at most ${maxHolds} holds` });
        }
        await nouns.holds.put(hold);
        return hold;
      });
    },
    async remove({ registry }, name, target) {
      await metadata.transact(async (nouns) => {
        const { id } = await kept(nouns.repositories, registry, name);
        const [hold] = await nouns.holds.on(id, [target], clock());
        await nouns.holds.remove(id, target);
        if (!hold) throw refuse("HoldNotFound", { repository: name, registry, target });
      });
    },
    async list({ registry }, name, page) {
      const { id } = await existing(metadata.read.repositories, registry, name);
      return metadata.read.holds.list(id, page, clock());
    },
  };
}

interface Place {
  readonly repositoryId: number;
  readonly registry: Registry;
  readonly name: RepositoryName;
}

/** Locks the image, as whoever deletes it does: of the two, one comes second and sees what the other did. */
async function present(nouns: Nouns, { repositoryId, registry, name }: Place, target: ImageReference): Promise<void> {
  const { tag } = target;
  if (tag !== undefined) await nouns.tags.lock(repositoryId, tag);
  const digest = tag === undefined ? target.digest : (await nouns.tags.find(repositoryId, tag))?.digest;
  const image = digest && (await nouns.images.lock(repositoryId, digest));
  const isMeant = tag === undefined || (await nouns.tags.find(repositoryId, tag))?.digest === digest;
  if (!image || !isMeant) throw imageNotFound(registry, name, target);
}
