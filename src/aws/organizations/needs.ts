import type { Need } from "../../domain/access.ts";
import { nodeArn, organizationPolicyArn } from "../../domain/identity/organization-names.ts";
import type { Arn } from "../../domain/names.ts";
import type { OrganizationsParts } from "./operation.ts";

/**
 * What operations need, with the resources that the service authorization reference ("Actions, resources, and condition
 * keys for AWS Organizations") gives them. While there is no organization nothing in it has a name, and only a policy
 * for `*` allows.
 */

type Action = `organizations:${string}`;

interface From {
  readonly parts: Pick<OrganizationsParts, "organizations">;
}

/** On roots, units and accounts: those whose ids the input names. */
export function onNodes<Input>(action: Action, ...ids: ((input: Input) => string | undefined)[]) {
  return async (input: Input, _: unknown, { parts }: From): Promise<Need[]> => {
    const nodes = ids.map((idOf) => idOf(input)).filter((id) => id !== undefined);
    return await Promise.all(nodes.map(async (node) => ({ action, resource: await nodeResource(parts, node) })));
  };
}

/** On a policy, and on the node that it is attached to or taken from. */
export function onPolicy(action: Action) {
  return async (input: { PolicyId: string; TargetId?: string }, _: unknown, { parts }: From): Promise<Need[]> => {
    const { PolicyId: id, TargetId: node } = input;
    const organization = await parts.organizations.identify();
    // Of a policy that is not there, so that those who may not know cannot tell.
    const type = (await parts.organizations.typeOfPolicy(id)) ?? "SERVICE_CONTROL_POLICY";
    const facts = { "organizations:policytype": type };
    const resource = organization ? organizationPolicyArn(organization, { id, type }) : "*";
    const onTarget = node === undefined ? [] : [{ action, resource: await nodeResource(parts, node), facts }];
    return [{ action, resource, facts }, ...onTarget];
  };
}

async function nodeResource({ organizations }: From["parts"], node: string): Promise<Arn | "*"> {
  const organization = await organizations.identify();
  return organization ? nodeArn(organization, node) : "*";
}
