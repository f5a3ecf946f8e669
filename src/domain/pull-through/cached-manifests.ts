import type { Access, Granted, Need } from "../access.ts";
import { Refusal, refuse } from "../errors.ts";
import { type Digest, type Registry, type RepositoryName, repositoryArn, type Tag } from "../names.ts";
import { type ImageReference, imageNotFound } from "../registry/image-references.ts";
import type { ImageService } from "../registry/images.ts";
import type { Metadata, Nouns, Repository, StoredManifest } from "../registry/ports.ts";
import {
  RemoteFailure,
  type RemoteManifest,
  type RemoteReference,
  type RemoteRegistry,
} from "../registry/remote-registry.ts";
import type { RepositoryMaking } from "../registry/repository-making.ts";
import { isImmutable } from "../registry/tag-mutability.ts";
import type { CacheNouns } from "./cache-ports.ts";
import type { CacheCounts } from "./counts.ts";
import { failureOf, refusalOf } from "./failures.ts";
import { lets } from "./filters.ts";
import { createFlights } from "./flights.ts";
import type { PullThroughUpstreams, RuleMatch } from "./rules.ts";
import type { Standing } from "./standing.ts";

/** Told of what a pull changed here, for the audit trail. */
export interface CacheRecords {
  made(name: RepositoryName, granted: Granted): Promise<void>;
  imported(name: RepositoryName, granted: Granted, image: ImageReference): Promise<void>;
}

export interface CacheParts {
  readonly metadata: Pick<Metadata<Nouns & CacheNouns>, "read" | "transact">;
  readonly upstreams: PullThroughUpstreams;
  readonly access: Pick<Access, "grant" | "allows">;
  readonly images: Pick<ImageService, "put">;
  readonly making: RepositoryMaking;
  readonly records: CacheRecords;
  readonly standing: Standing;
  readonly counts: CacheCounts;
  readonly clock: () => Date;
}

/** Reads what the repository has. Asked again after something was brought, with a grant that knows of it. */
export type ReadManifest = (granted: Granted) => Promise<StoredManifest>;

export interface CachedManifests {
  /** @throws as `read`, and what became of the upstream: `refusalOf`, UnableToGetUpstreamImage */
  get(
    match: RuleMatch,
    granted: Granted,
    name: RepositoryName,
    reference: ImageReference,
    read: ReadManifest,
  ): Promise<StoredManifest>;
  /** Brings one manifest as it is at the upstream, for whoever may import. Answers what it is; `undefined` for none. */
  bring(asked: Asked, reference: RemoteReference, unless?: Digest): Promise<Brought>;
}

export interface Asked {
  readonly match: RuleMatch;
  /** To import, of whoever asked. */
  readonly importer: Granted;
  readonly name: RepositoryName;
}

/** What the upstream said. `stored` is in the repository now; `made` tells that the repository is new. */
export type Brought =
  | { readonly kind: "stored"; readonly digest: Digest; readonly made: boolean }
  | { readonly kind: "unchanged" }
  | { readonly kind: "absent" };

const dayMs = 24 * 60 * 60_000;
/** How long a manifest is waited for; less where there is a copy to be content with. */
const [manifestMs, revalidationMs] = [60_000, 10_000];

export const importNeed = (registry: Registry, name: RepositoryName): Need => ({
  action: "ecr:BatchImportUpstreamImage",
  resource: repositoryArn(registry, name),
});

/** Which repository of which upstream a check was about: a rule that was made anew may lead to another. */
export function upstreamName({ rule, upstreamRepository }: RuleMatch): string {
  return `${rule.upstreamUrl}/${upstreamRepository}`;
}

export function createCachedManifests(parts: CacheParts): CachedManifests {
  const { metadata, upstreams, access, images, making, records, standing, counts, clock } = parts;
  const { read: nouns } = metadata;
  const flights = createFlights<Brought>();

  async function openUpstream({ rule }: RuleMatch): Promise<RemoteRegistry> {
    try {
      return await upstreams.open(rule);
    } catch (error) {
      if (!(error instanceof RemoteFailure)) throw error;
      const facts = { upstream: rule.upstreamUrl, reason: error.detail };
      throw refuse("UnableToGetUpstreamImage", facts, { cause: error });
    }
  }

  /** @throws RepositoryNotFound for a caller who may not create it */
  async function ensure(importer: Granted, name: RepositoryName): Promise<boolean> {
    const { caller, registry } = importer;
    try {
      const ensured = await making.ensure(caller, registry, name, "PULL_THROUGH_CACHE");
      if (ensured?.made) await records.made(name, ensured.made);
      return ensured?.made !== undefined;
    } catch (error) {
      if (error instanceof Refusal && error.is("AccessDenied")) throw noRepository(registry, name, error);
      throw error;
    }
  }

  async function ask(asked: Asked, reference: RemoteReference, unless?: Digest) {
    const { rule, upstreamRepository } = asked.match;
    standing.checkOpen(rule);
    const remote = await openUpstream(asked.match);
    const signal = AbortSignal.timeout(unless ? revalidationMs : manifestMs);
    const found = await remote.manifest(upstreamRepository, reference, { signal, ...(unless && { unless }) });
    standing.answered(rule);
    return found;
  }

  async function store(
    asked: Asked,
    reference: RemoteReference,
    found: RemoteManifest,
    tagged?: Digest,
  ): Promise<Brought> {
    const { name, importer } = asked;
    const { registry, caller } = importer;
    const made = await ensure(importer, name);
    // The repository may have a policy now.
    const granted = made ? await access.grant(caller, registry, importer.needs) : importer;
    const { digest } = await images.put(granted, name, {
      manifest: found.bytes,
      // What says nothing of the content says nothing of the manifest either.
      mediaType: found.mediaType === "application/octet-stream" ? undefined : found.mediaType,
      digest: "digest" in reference ? reference.digest : undefined,
      tags: "tag" in reference ? [reference.tag] : [],
      cached: { upstream: upstreamName(asked.match), tagged },
    });
    await records.imported(name, granted, "tag" in reference ? { digest, tag: reference.tag } : { digest });
    return { kind: "stored", digest, made };
  }

  /** The same image for all who ask at the same moment. What one of them may not, the others try for themselves. */
  async function bring(asked: Asked, reference: RemoteReference, unless?: Digest): Promise<Brought> {
    const { rule } = asked.match;
    const key = keyOf(asked, reference, unless);
    if (standing.isAbsent(key)) return { kind: "absent" };
    try {
      return await flights.share(key, async () => {
        const found = await ask(asked, reference, unless);
        if (found === "unchanged") return { kind: "unchanged" };
        if (found) return store(asked, reference, found, unless);
        standing.absent(key);
        return { kind: "absent" };
      });
    } catch (error) {
      const failure = failureOf(error);
      if (!failure) throw error;
      counts.failed(failure.problem);
      standing.failed(rule, failure);
      throw refusalOf(rule, failure);
    }
  }

  /** The grant to import. @throws RepositoryNotFound, ImageNotFound: to whoever may not, there is nothing */
  async function importer(granted: Granted, name: RepositoryName, reference: ImageReference, isThere: boolean) {
    const { caller, registry } = granted;
    if (!isThere) {
      const create: Need = { action: "ecr:CreateRepository", resource: repositoryArn(registry, name) };
      if (!(await access.allows(caller, registry, create))) throw noRepository(registry, name);
    }
    try {
      return await access.grant(caller, registry, [importNeed(registry, name)]);
    } catch (error) {
      if (error instanceof Refusal && error.is("AccessDenied")) throw imageNotFound(registry, name, reference);
      throw error;
    }
  }

  async function firstTime(
    match: RuleMatch,
    granted: Granted,
    name: RepositoryName,
    reference: ImageReference,
    read: ReadManifest,
    repository: Repository | undefined,
  ): Promise<StoredManifest> {
    const { tag, digest } = reference;
    const { caller, registry } = granted;
    const asked = { match, name, importer: await importer(granted, name, reference, repository !== undefined) };
    const isLet =
      lets(match).repository &&
      (tag === undefined ? await letsDigest(match, repository, digest) : lets(match).tag(tag));
    const wanted = tag !== undefined ? { tag } : digest !== undefined ? { digest } : undefined;
    const brought = isLet && wanted ? await bring(asked, wanted) : undefined;
    if (brought?.kind !== "stored") {
      counts.pulled("absent");
      throw imageNotFound(registry, name, reference);
    }
    counts.pulled("miss");
    caller.note({ pullThrough: "miss" });
    return read(repository ? granted : await access.grant(caller, registry, granted.needs));
  }

  async function letsDigest(match: RuleMatch, repository: Repository | undefined, digest: Digest | undefined) {
    if (lets(match).anyDigest || digest === undefined) return true;
    return repository !== undefined && (await nouns.awaited.isChild(repository.id, digest));
  }

  /** The tag still counts, as long as it points where it did. What is stored says so in its own transaction. */
  async function checked(registry: Registry, name: RepositoryName, match: RuleMatch, tag: Tag, digest: Digest) {
    const check = { upstream: upstreamName(match), digest, at: clock() };
    await metadata.transact(async ({ repositories, tags, upstreamChecks }) => {
      const repository = await repositories.keep(registry, name);
      if (!repository) return;
      await tags.lock(repository.id, tag);
      const present = await tags.find(repository.id, tag);
      if (present?.digest === digest) await upstreamChecks.put(repository.id, `tag:${tag}`, check);
    });
  }

  /** Asks the upstream whether the tag has moved, and follows it. Answers what became of it. @throws what the upstream did */
  async function revalidate(match: RuleMatch, granted: Granted, name: RepositoryName, tag: Tag, present: Digest) {
    const { caller, registry } = granted;
    const need = importNeed(registry, name);
    if (!(await access.allows(caller, registry, need))) return "stale";
    const asked = { match, name, importer: await access.grant(caller, registry, [need]) };
    const brought = await bring(asked, { tag }, present);
    if (brought.kind !== "stored") await checked(registry, name, match, tag, present);
    return brought.kind === "stored" && brought.digest !== present ? "miss" : "revalidated";
  }

  return {
    bring,
    async get(match, granted, name, reference, read) {
      const { registry, caller } = granted;
      const { tag } = reference;
      const repository = await nouns.repositories.find(registry, name);
      if (tag === undefined) {
        try {
          return await read(granted);
        } catch (error) {
          if (!isMissing(error)) throw error;
          // In the archive: whoever put it there does not want it pulled.
          const isThere = repository && reference.digest && (await nouns.images.find(repository.id, reference.digest));
          if (isThere) throw error;
          return firstTime(match, granted, name, reference, read, repository);
        }
      }
      const present = repository && (await nouns.tags.find(repository.id, tag));
      if (!repository || !present) return firstTime(match, granted, name, reference, read, repository);
      const check = await nouns.upstreamChecks.find(repository.id, `tag:${tag}`);
      // Pushed here, or moved here: it is not the upstream's to change. And so it is with one that does not move at all.
      const isOurs = check?.digest !== present.digest || isImmutable(tag, repository);
      const isFresh =
        check?.upstream === upstreamName(match) &&
        clock().getTime() - check.at.getTime() < (match.rule.options.freshMs ?? dayMs);
      if (isOurs || isFresh || !lets(match).repository || !lets(match).tag(tag)) {
        counts.pulled("hit");
        return read(granted);
      }
      let outcome: "stale" | "revalidated" | "miss" = "stale";
      if (!standing.isDown(match.rule)) {
        try {
          outcome = await revalidate(match, granted, name, tag, present.digest);
        } catch (error) {
          if (!isBearable(error)) throw error;
        }
      }
      counts.pulled(outcome);
      caller.note({ pullThrough: outcome });
      return read(granted);
    },
  };
}

/**
 * What a cached copy makes up for: the upstream's failures, a tag that is held here, and a caller who may pull what is there
 * and may not bring what would be. Whatever else goes wrong is ours, and no reason to answer.
 */
function isBearable(error: unknown): boolean {
  const bearable = [
    "UpstreamAccessDenied",
    "UpstreamTooManyRequests",
    "UpstreamUnavailable",
    "UnableToGetUpstreamImage",
    "ImageTagImmutable",
    "TagHeld",
    "AccessDenied",
  ] as const;
  return error instanceof Refusal && bearable.some((code) => error.is(code));
}

export function isMissing(error: unknown): boolean {
  return error instanceof Refusal && (error.is("ImageNotFound") || error.is("RepositoryNotFound"));
}

function noRepository(registry: Registry, repository: RepositoryName, cause?: unknown): Refusal {
  return refuse("RepositoryNotFound", { repository, registry }, { cause });
}

function keyOf({ match, importer: { registry }, name }: Asked, reference: RemoteReference, unless?: Digest): string {
  const what = "tag" in reference ? `:${reference.tag}` : `@${reference.digest}`;
  return [registry.account, registry.region, name, upstreamName(match), what, unless ?? ""].join(" ");
}
