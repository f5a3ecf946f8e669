import type { PullThroughCacheRule, UpstreamRegistry } from "@aws-sdk/client-ecr";
import { z } from "zod";
import type { Facts, Need } from "../../domain/access.ts";
import { readSecret } from "../../domain/pull-through/rule-service.ts";
import type { PullThroughRule } from "../../domain/pull-through/rules.ts";
import type { Upstream } from "../../domain/pull-through/upstreams.ts";
import { mustMatch } from "../input.ts";

/** What the operations about pull through cache rules share. */

const segments = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(\\/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*";
const prefixPattern = `^(${segments}\\/?|ROOT)$`;
const prefix = new RegExp(prefixPattern);

/** ECR implies a slash at the end, so one that is there says nothing. */
export const RulePrefix = z
  .string()
  .min(2)
  .max(30)
  .regex(prefix, mustMatch(prefixPattern))
  .transform((text) => text.replace(/\/$/, ""));

/** As the model writes it. */
const arnPattern =
  "^arn:aws(-\\w+)*:secretsmanager:[a-zA-Z0-9-:]+:secret:ecr\\-pullthroughcache\\/[a-zA-Z0-9\\/_+=.@-]+$";
export const CredentialArn = z.string().min(50).max(612).regex(new RegExp(arnPattern), mustMatch(arnPattern));

export const CustomRoleArn = z.string().max(2048);

/** `iam:PassRole` on the role, for ECR alone. */
export function passRole(customRoleArn: string | undefined): Need[] {
  if (customRoleArn === undefined) return [];
  const facts: Facts = { "iam:passedtoservice": "ecr.amazonaws.com" };
  return [{ action: "iam:PassRole", resource: customRoleArn as Need["resource"], facts }];
}

/**
 * Whoever sends a secret to a host that could be their own must be one who may read it. To the hosts of the companies that
 * ECR knows, it may be sent without.
 */
export function sendSecret(credentialArn: string | undefined, upstream: Upstream | undefined): Need[] {
  if (credentialArn === undefined || (upstream && !upstream.isAnybodys)) return [];
  const facts: Facts = { "secretsmanager:secretid": credentialArn };
  return [{ action: readSecret, resource: credentialArn as Need["resource"], facts }];
}

/** Kinds of our own have no name in ECR's model. */
export function upstreamRegistryOf({ upstream }: PullThroughRule): UpstreamRegistry | undefined {
  return upstream === "berth" || upstream === "oci" ? undefined : upstream;
}

/** What every answer about a rule has. */
export function ruleFacts(rule: PullThroughRule) {
  const { prefix, registry, credentialArn, customRoleArn } = rule;
  const upstreamRepositoryPrefix = rule.namesUpstreamPrefix ? rule.upstreamPrefix : undefined;
  const names = { ecrRepositoryPrefix: prefix, registryId: registry.account, upstreamRepositoryPrefix };
  return { ...names, credentialArn, customRoleArn };
}

export function ruleView(rule: PullThroughRule): PullThroughCacheRule {
  return {
    ...ruleFacts(rule),
    upstreamRegistryUrl: rule.upstreamUrl,
    upstreamRegistry: upstreamRegistryOf(rule),
    createdAt: rule.createdAt,
    updatedAt: rule.updatedAt,
  };
}
