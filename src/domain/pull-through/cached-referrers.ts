import type { Granted } from "../access.ts";
import { Refusal, refuse } from "../errors.ts";
import type { Digest, RepositoryName } from "../names.ts";
import { eachOf } from "../registry/each.ts";
import { type CachedManifests, type CacheParts, importNeed, upstreamName } from "./cached-manifests.ts";
import { failureOf, reasonOf, refusalOf } from "./failures.ts";
import { lets } from "./filters.ts";
import { createFlights } from "./flights.ts";
import type { RuleMatch } from "./rules.ts";

/** ECR asks again after six hours (ECR user guide, "Pull through cache"). */
const freshMs = 6 * 60 * 60_000;
const referrersMs = 60_000;
/** Of more, the first that the upstream lists. */
const maxReferrers = 200;

/** What refers to a cached image at the upstream: signatures, attestations, SBOMs. */
export interface CachedReferrers {
  /**
   * Brings the manifests that refer to `subject`, so that the repository can list them. Where that fails, what was brought
   * before is good enough. @throws UnableToListUpstreamImageReferrers where nothing was
   */
  bring(match: RuleMatch, granted: Granted, name: RepositoryName, subject: Digest): Promise<void>;
}

export function createCachedReferrers(parts: CacheParts, manifests: Pick<CachedManifests, "bring">): CachedReferrers {
  const { metadata, upstreams, access, standing, counts, clock } = parts;
  const { read: nouns } = metadata;
  const flights = createFlights<void>();

  async function bringAll(match: RuleMatch, importer: Granted, name: RepositoryName, subject: Digest): Promise<void> {
    const { rule, upstreamRepository } = match;
    const { registry } = importer;
    standing.checkOpen(rule);
    const remote = await upstreams.open(rule);
    const signal = AbortSignal.timeout(referrersMs);
    const listed = (await remote.referrers(upstreamRepository, subject, { signal })).slice(0, maxReferrers);
    const repository = await nouns.repositories.find(registry, name);
    const digests = listed.map(({ digest }) => digest);
    const known = repository ? await nouns.images.findMany(repository.id, digests) : [];
    const have = new Set(known.map(({ digest }) => digest));
    const missing = digests.filter((digest) => !have.has(digest));
    await eachOf(missing, async (digest) => {
      try {
        await manifests.bring({ match, importer, name }, { digest });
      } catch (error) {
        // One that cannot be kept does not hide the others.
        if (!(error instanceof Refusal) || failureOf(error.cause)?.problem !== "nonsense") throw error;
      }
    });
    const check = { upstream: upstreamName(match), at: clock() };
    await metadata.transact(async ({ repositories, images, upstreamChecks }) => {
      const now = await repositories.keep(registry, name);
      // Anybody can ask about anything: only what is about an image here is remembered.
      const isKnown = now && (await images.find(now.id, subject));
      if (isKnown) await upstreamChecks.put(now.id, `referrers:${subject}`, check);
    });
  }

  return {
    async bring(match, granted, name, subject) {
      const { registry, caller } = granted;
      const repository = await nouns.repositories.find(registry, name);
      const check = repository && (await nouns.upstreamChecks.find(repository.id, `referrers:${subject}`));
      const image = check && (await nouns.images.find(repository.id, subject));
      // One that came again since then may have been deleted with all that referred to it.
      const isOurs = check?.upstream === upstreamName(match) && !(image && image.pushedAt > check.at);
      if (isOurs && clock().getTime() - check.at.getTime() < freshMs) return;
      if (!lets(match).repository || !(await access.allows(caller, registry, importNeed(registry, name)))) return;
      const importer = await access.grant(caller, registry, [importNeed(registry, name)]);
      if (check && standing.isDown(match.rule)) return;
      try {
        const key = [registry.account, registry.region, name, upstreamName(match), subject].join(" ");
        await flights.share(key, () => bringAll(match, importer, name, subject));
      } catch (error) {
        const failure = failureOf(error);
        if (failure) {
          counts.failed(failure.problem);
          standing.failed(match.rule, failure);
        }
        const facts = reasonOf(failure ? refusalOf(match.rule, failure) : error);
        // Whoever may not make the repository sees what is there, which is nothing.
        if (error instanceof Refusal && error.is("RepositoryNotFound")) return;
        if (!facts) throw error;
        if (!check) throw refuse("UnableToListUpstreamImageReferrers", facts, { cause: error });
        counts.pulled("stale");
      }
    },
  };
}
