import { operation } from "./operation.ts";
import { CredentialArn, CustomRoleArn, passRole, RulePrefix, ruleFacts, sendSecret } from "./pull-through-rules.ts";
import { RegistryId } from "./shapes.ts";

export const UpdatePullThroughCacheRule = operation("UpdatePullThroughCacheRule", {
  input: {
    registryId: RegistryId.optional(),
    ecrRepositoryPrefix: RulePrefix,
    credentialArn: CredentialArn.optional(),
    customRoleArn: CustomRoleArn.optional(),
  },
  async needs({ credentialArn, customRoleArn, ecrRepositoryPrefix }, registry, { parts }) {
    const upstream = await parts.pullThroughRules.upstreamOfRule(registry, ecrRepositoryPrefix);
    return [
      { action: "ecr:UpdatePullThroughCacheRule", resource: "*" },
      ...passRole(customRoleArn),
      ...sendSecret(credentialArn, upstream),
    ];
  },
  throws: [
    "InvalidParameter",
    "Validation",
    "PullThroughRuleNotFound",
    "SecretInaccessible",
    "UpstreamSecretNotFound",
    "SecretUndecryptable",
  ],
  async run({ ecrRepositoryPrefix, ...change }, granted, { pullThroughRules }) {
    const rule = await pullThroughRules.update(granted, ecrRepositoryPrefix, change);
    return { ...ruleFacts(rule), updatedAt: rule.updatedAt };
  },
});
