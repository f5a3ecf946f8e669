import { z } from "zod";
import { upstreamKinds } from "../../domain/pull-through/rules.ts";
import { operation } from "./operation.ts";
import {
  CredentialArn,
  CustomRoleArn,
  passRole,
  RulePrefix,
  ruleFacts,
  sendSecret,
  upstreamRegistryOf,
} from "./pull-through-rules.ts";
import { RegistryId } from "./shapes.ts";

const UpstreamRegistry = z.enum(upstreamKinds).exclude(["berth", "oci"]);

export const CreatePullThroughCacheRule = operation("CreatePullThroughCacheRule", {
  input: {
    ecrRepositoryPrefix: RulePrefix,
    upstreamRegistryUrl: z.string(),
    registryId: RegistryId.optional(),
    upstreamRegistry: UpstreamRegistry.optional(),
    credentialArn: CredentialArn.optional(),
    customRoleArn: CustomRoleArn.optional(),
    upstreamRepositoryPrefix: RulePrefix.optional(),
  },
  needs: ({ credentialArn, customRoleArn, upstreamRegistryUrl }, _registry, { parts }) => [
    { action: "ecr:CreatePullThroughCacheRule", resource: "*" },
    ...passRole(customRoleArn),
    ...sendSecret(credentialArn, parts.pullThroughRules.upstreamOf(upstreamRegistryUrl)),
  ],
  throws: [
    "InvalidParameter",
    "Validation",
    "PullThroughRuleExists",
    "UpstreamUnsupported",
    "LimitExceeded",
    "SecretInaccessible",
    "UpstreamSecretNotFound",
    "SecretUndecryptable",
  ],
  async run(input, granted, { pullThroughRules }) {
    const rule = await pullThroughRules.create(granted, {
      prefix: input.ecrRepositoryPrefix,
      upstreamUrl: input.upstreamRegistryUrl,
      upstream: input.upstreamRegistry,
      upstreamPrefix: input.upstreamRepositoryPrefix,
      credentialArn: input.credentialArn,
      customRoleArn: input.customRoleArn,
    });
    const { upstreamUrl: upstreamRegistryUrl, createdAt } = rule;
    return { ...ruleFacts(rule), upstreamRegistryUrl, upstreamRegistry: upstreamRegistryOf(rule), createdAt };
  },
});
