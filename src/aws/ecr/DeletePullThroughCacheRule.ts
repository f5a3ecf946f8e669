import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { RulePrefix, ruleFacts } from "./pull-through-rules.ts";
import { RegistryId } from "./shapes.ts";

export const DeletePullThroughCacheRule = operation("DeletePullThroughCacheRule", {
  input: { ecrRepositoryPrefix: RulePrefix, registryId: RegistryId.optional() },
  needs: onRegistry("ecr:DeletePullThroughCacheRule"),
  throws: ["InvalidParameter", "Validation", "PullThroughRuleNotFound"],
  async run({ ecrRepositoryPrefix }, granted, { pullThroughRules }) {
    const rule = await pullThroughRules.delete(granted, ecrRepositoryPrefix);
    return { ...ruleFacts(rule), upstreamRegistryUrl: rule.upstreamUrl, createdAt: rule.createdAt };
  },
});
