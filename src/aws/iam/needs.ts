import type { Facts, Need } from "../../domain/access.ts";
import type { IamResource, IamResources } from "../../domain/identity/entities.ts";
import { type Arn, iamArn, type Registry } from "../../domain/names.ts";
import { boundaryFact, requestTags, resourceTags } from "./facts.ts";

/**
 * What operations need on the thing that they name, looked up for its path, its tags and its boundary (service
 * authorization reference, "IAM").
 */

interface From {
  readonly parts: { readonly resources: IamResources };
}
type Action = `iam:${string}`;
/** Condition keys that the request has. They count more than those of the thing. */
type MoreFacts<Input> = (input: Input) => Facts;

export function onRole<Input extends { RoleName: string }>(action: Action, more?: MoreFacts<Input>) {
  return async (input: Input, { account }: Registry, { parts }: From) =>
    needsOn(action, await parts.resources.entity(account, "role", input.RoleName), more?.(input));
}

export function onUser<Input extends { UserName: string }>(action: Action, more?: MoreFacts<Input>) {
  return async (input: Input, { account }: Registry, { parts }: From) =>
    needsOn(action, await parts.resources.entity(account, "user", input.UserName), more?.(input));
}

export function onGroup<Input extends { GroupName: string }>(action: Action, more?: MoreFacts<Input>) {
  return async (input: Input, { account }: Registry, { parts }: From) =>
    needsOn(action, await parts.resources.entity(account, "group", input.GroupName), more?.(input));
}

export function onPolicy<Input extends { PolicyArn: Arn }>(action: Action, more?: MoreFacts<Input>) {
  return async (input: Input, { account }: Registry, { parts }: From) =>
    needsOn(action, await parts.resources.policy(account, input.PolicyArn), more?.(input));
}

export function onProvider<Input extends { OpenIDConnectProviderArn: Arn }>(action: Action, more?: MoreFacts<Input>) {
  return async (input: Input, { account }: Registry, { parts }: From) =>
    needsOn(action, await parts.resources.oidcProvider(account, input.OpenIDConnectProviderArn), more?.(input));
}

/** A list of what lies below a path. */
export function onPath(action: Action, kind: "user" | "group" | "role" | "policy") {
  return ({ PathPrefix = "/" }: { PathPrefix?: string }, { account }: Registry): Need[] => [
    { action, resource: iamArn(account, kind, PathPrefix, "") },
  ];
}

export function needsOn(action: Action, { arn, tags, boundary }: IamResource, more?: Facts): Need[] {
  return [{ action, resource: arn, facts: { ...resourceTags(tags), ...boundaryFact(boundary), ...more } }];
}

/** Something new, which needs the right to tag where it has tags from the start. */
export function toCreate(
  action: Action,
  tagging: Action,
  resource: Arn,
  tags: readonly { readonly Key: string; readonly Value: string }[] = [],
  more?: Facts,
): Need[] {
  const facts = { ...more, ...requestTags(tags) };
  const create: Need = { action, resource, facts };
  return tags.length === 0 ? [create] : [create, { action: tagging, resource, facts }];
}
