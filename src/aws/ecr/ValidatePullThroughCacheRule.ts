import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { RulePrefix, ruleFacts } from "./pull-through-rules.ts";
import { RegistryId } from "./shapes.ts";

export const ValidatePullThroughCacheRule = operation("ValidatePullThroughCacheRule", {
  input: { ecrRepositoryPrefix: RulePrefix, registryId: RegistryId.optional() },
  needs: onRegistry("ecr:ValidatePullThroughCacheRule"),
  throws: ["InvalidParameter", "Validation", "PullThroughRuleNotFound"],
  async run({ ecrRepositoryPrefix }, granted, { pullThroughRules }) {
    const { rule, failure } = await pullThroughRules.validate(granted, ecrRepositoryPrefix);
    const answer = { ...ruleFacts(rule), upstreamRegistryUrl: rule.upstreamUrl };
    return { ...answer, isValid: failure === undefined, failure };
  },
});
