import type { Access, Caller, Need } from "../access.ts";
import { repositoryArn } from "../names.ts";
import { endEvaluations, setLifecyclePolicy } from "../registry/lifecycle-jobs.ts";
import type { Metadata, Repository } from "../registry/ports.ts";
import type { RegistryResources } from "../registry/resource-policies.ts";
import type { SyncedSetting } from "./ports.ts";
import type { Source } from "./target.ts";
import type { ReplicatingNouns } from "./trigger.ts";

export interface SettingsSyncParts {
  readonly metadata: Metadata<ReplicatingNouns>;
  readonly access: Pick<Access, "grant">;
  readonly resources: Pick<RegistryResources, "forget">;
  readonly clock: () => Date;
  /** From one evaluation of a lifecycle policy to the next. */
  readonly everyMs: number;
}

interface Change {
  readonly action: Need["action"];
  apply(nouns: ReplicatingNouns): Promise<unknown>;
}

/**
 * Gives the repository of a replica what its source has, as far as somebody has chosen. The source account must be allowed
 * to change what differs, by the actions that anybody would need.
 * @throws AccessDenied
 */
export async function syncSettings(
  parts: SettingsSyncParts,
  source: Source,
  target: Repository,
  caller: Caller,
  settings: readonly SyncedSetting[],
): Promise<void> {
  const { metadata, access, resources } = parts;
  for (const setting of settings) {
    const change = await changes[setting](parts, source, target, caller);
    if (!change) continue;
    const resource = repositoryArn(target.registry, target.name);
    await access.grant(caller, target.registry, [
      { action: change.action, resource, facts: { "aws:sourceip": undefined } },
    ]);
    await metadata.transact(change.apply);
    resources.forget(target.registry, target.name);
  }
}

type Difference = (
  parts: SettingsSyncParts,
  source: Source,
  target: Repository,
  caller: Caller,
) => Promise<Change | undefined>;

const changes: Record<SyncedSetting, Difference> = {
  async tagMutability(_parts, { tagMutability, exclusionFilters }, target) {
    const wanted = { tagMutability, exclusionFilters };
    const present = { tagMutability: target.tagMutability, exclusionFilters: target.exclusionFilters };
    if (JSON.stringify(wanted) === JSON.stringify(present)) return undefined;
    const apply: Change["apply"] = ({ repositories }) => repositories.update(target.id, wanted);
    return { action: "ecr:PutImageTagMutability", apply };
  },

  async repositoryPolicy(_parts, { policy, policyBindings }, target) {
    if (policy === target.policy) return undefined;
    const action = policy === undefined ? "ecr:DeleteRepositoryPolicy" : "ecr:SetRepositoryPolicy";
    return { action, apply: ({ repositories }) => repositories.update(target.id, { policy, policyBindings }) };
  },

  async lifecyclePolicy({ metadata, clock, everyMs }, source, target, { principal }) {
    const { lifecyclePolicies } = metadata.read;
    const text = (await lifecyclePolicies.find(source.id))?.text;
    if (text === (await lifecyclePolicies.find(target.id))?.text) return undefined;
    if (text !== undefined) {
      const by = principal.arn;
      const apply: Change["apply"] = (nouns) => setLifecyclePolicy(nouns, target, { text, now: clock(), by, everyMs });
      return { action: "ecr:PutLifecyclePolicy", apply };
    }
    return {
      action: "ecr:DeleteLifecyclePolicy",
      async apply(nouns) {
        await nouns.lifecyclePolicies.delete(target.id);
        await endEvaluations(nouns, target);
      },
    };
  },

  async resourceTags({ metadata }, source, target) {
    const { repositories } = metadata.read;
    const [wanted, present] = [await repositories.resourceTags(source.id), await repositories.resourceTags(target.id)];
    const gone = [...present.keys()].filter((key) => !wanted.has(key));
    if (gone.length === 0 && [...wanted].every(([key, value]) => present.get(key) === value)) return undefined;
    return {
      action: "ecr:TagResource",
      async apply(nouns) {
        await nouns.repositories.removeResourceTags(target.id, gone);
        await nouns.repositories.setResourceTags(target.id, wanted);
      },
    };
  },
};
