import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { enqueue } from "../jobs/kinds.ts";
import type { JobNouns } from "../jobs/ports.ts";
import type { PreviewEntry } from "../lifecycle/types.ts";
import type { Digest, RepositoryName, Tag } from "../names.ts";
import { keyOfRepository, previewLifecycle, repositoryOfJob } from "./lifecycle-jobs.ts";
import { othersTurn } from "./lifecycle-planning.ts";
import { checkedPolicy } from "./lifecycle-policies.ts";
import type { StoredPreview } from "./lifecycle-ports.ts";
import type { Metadata, Nouns, TagStatus } from "./ports.ts";
import { existing } from "./repositories.ts";

export type PreviewStatus = StoredPreview["status"] | "EXPIRED";

export type Preview = Omit<StoredPreview, "status"> & { readonly status: PreviewStatus };

/** Where an entry is: which page, and the how many-th on it. */
export type PreviewPlace = readonly [page: number, index: number];

export interface PlacedEntry {
  readonly place: PreviewPlace;
  readonly entry: PreviewEntry;
}

/** What policies would do, without doing it. Each method acts in the registry that the grant is for. */
export interface LifecyclePreviewService {
  /**
   * Begins to find out what `text` would do, or the policy that is set. Answers the text.
   * @throws InvalidParameter, LifecyclePolicyNotFound, LifecyclePreviewInProgress
   */
  start(granted: Granted, name: RepositoryName, text: string | undefined): Promise<string>;
  /** @throws LifecyclePreviewNotFound */
  get(granted: Granted, name: RepositoryName): Promise<Preview>;
  /** Of a preview that `get` has answered: its results, oldest push first. */
  results(
    preview: Preview,
    page: { readonly after?: PreviewPlace; readonly limit: number; readonly tagStatus?: TagStatus },
  ): Promise<PlacedEntry[]>;
  /** Those of its results that one of `references` means, in the order of the results. */
  resultsOf(
    preview: Preview,
    references: readonly { readonly digest?: Digest; readonly tag?: Tag }[],
    tagStatus?: TagStatus,
  ): Promise<PreviewEntry[]>;
}

/** How long results can be read. */
export const previewLifetimeMs = 24 * 60 * 60_000;
/** What has not come to an end in so long does not come to one. */
const patienceMs = 60 * 60_000;

export interface LifecyclePreviewParts {
  readonly metadata: Metadata<Nouns & JobNouns>;
  readonly clock: () => Date;
}

export function createLifecyclePreviews({ metadata, clock }: LifecyclePreviewParts): LifecyclePreviewService {
  function statusOf({ status, startedAt, endedAt }: StoredPreview): PreviewStatus {
    const now = clock().getTime();
    if (status === "IN_PROGRESS") return now - startedAt.getTime() > patienceMs ? "FAILED" : status;
    return status === "COMPLETE" && endedAt && now - endedAt.getTime() >= previewLifetimeMs ? "EXPIRED" : status;
  }

  /** All results from a place on, as far as somebody reads them. */
  async function* from({ id, status }: Preview, after?: PreviewPlace): AsyncGenerator<PlacedEntry> {
    if (status !== "COMPLETE") return;
    const [firstPage, index] = after ?? [0, -1];
    for (let number = firstPage; ; number++) {
      const [page] = await metadata.read.lifecyclePreviews.pages(id, { from: number, limit: 1 });
      if (!page) return;
      for (const [at, entry] of page.entries.entries()) {
        if (number > firstPage || at > index) yield { place: [number, at], entry };
      }
      await othersTurn();
    }
  }

  return {
    async start({ registry }, name, given) {
      if (given !== undefined) checkedPolicy(given);
      return metadata.transact(async (nouns) => {
        const repository = await existing(nouns.repositories, registry, name);
        const text = given ?? (await nouns.lifecyclePolicies.find(repository.id))?.text;
        if (text === undefined) throw refuse("LifecyclePolicyNotFound", { repository: name, registry });
        const before = await nouns.lifecyclePreviews.lock(repository.id);
        if (before && statusOf(before) === "IN_PROGRESS") {
          throw refuse("LifecyclePreviewInProgress", { repository: name, registry });
        }
        const now = clock();
        const preview = await nouns.lifecyclePreviews.start(repository.id, { text, startedAt: now });
        const job = { ...repositoryOfJob(repository), preview };
        await enqueue(nouns, previewLifecycle, job, { key: `${keyOfRepository(repository)}/${preview}`, now });
        return text;
      });
    },
    async get({ registry }, name) {
      const { id } = await existing(metadata.read.repositories, registry, name);
      const preview = await metadata.read.lifecyclePreviews.find(id);
      if (!preview) throw refuse("LifecyclePreviewNotFound", { repository: name, registry });
      return { ...preview, status: statusOf(preview) };
    },
    async results(preview, { after, limit, tagStatus = "ANY" }) {
      const found: PlacedEntry[] = [];
      for await (const placed of from(preview, after)) {
        if (!isOf(placed.entry, tagStatus)) continue;
        found.push(placed);
        if (found.length === limit) break;
      }
      return found;
    },
    async resultsOf(preview, references, tagStatus = "ANY") {
      const found: PreviewEntry[] = [];
      const means = meaning(references);
      for await (const { entry } of from(preview)) {
        if (isOf(entry, tagStatus) && means(entry)) found.push(entry);
      }
      return found;
    },
  };
}

function isOf({ imageTags }: PreviewEntry, tagStatus: TagStatus): boolean {
  return tagStatus === "ANY" || imageTags.length > 0 === (tagStatus === "TAGGED");
}

function meaning(references: readonly { readonly digest?: Digest; readonly tag?: Tag }[]) {
  const digests = new Set(references.filter(({ tag }) => tag === undefined).map(({ digest }) => digest));
  const byTag = new Map(references.filter(({ tag }) => tag !== undefined).map((one) => [one.tag as string, one]));
  return ({ imageDigest, imageTags }: PreviewEntry): boolean =>
    digests.has(imageDigest) ||
    imageTags.some((tag) => {
      const one = byTag.get(tag);
      return one !== undefined && (one.digest === undefined || one.digest === imageDigest);
    });
}
