import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import type { Paged } from "../../domain/identity/ports.ts";
import type { PolicyExclusion } from "../../domain/identity/simulation.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { EntityArn } from "./shapes.ts";
import { PolicyList, requestOf, resultView, simulationInput } from "./simulation.ts";

/** One of the three. */
const PolicyIdentifier = z.object({
  PolicyType: z.enum(["inline", "aws-managed", "user-managed", "permission-boundary", "scp", "rcp"]).optional(),
  PolicyArn: z.string().min(20).max(2048).optional(),
  InlinePolicyIdentifier: z
    .object({
      PolicyName: z.string().min(1).max(128),
      AttachmentType: z.enum(["user", "group", "role"]),
      AttachmentName: z.string().min(1).max(128),
    })
    .optional(),
  $unknown: z.unknown().optional(),
});

export const SimulatePrincipalPolicy = operation("SimulatePrincipalPolicy", {
  input: {
    PolicySourceArn: EntityArn,
    PolicyInputList: PolicyList.optional(),
    PolicyExclusionList: z.array(PolicyIdentifier).max(100).optional(),
    ...simulationInput,
  },
  needs: ({ PolicySourceArn }) => [{ action: "iam:SimulatePrincipalPolicy", resource: PolicySourceArn }],
  throws: ["InvalidInput", "NoSuchEntity", "Validation"],
  async run(input, granted, { simulation, paging }) {
    const { Marker: _marker, MaxItems: _maxItems, ...rest } = input;
    const request = {
      ...requestOf(input, input.PolicyInputList ?? []),
      source: input.PolicySourceArn,
      without: input.PolicyExclusionList?.map(exclusionOf),
    };
    const page = await listPage(paging, {
      of: ["SimulatePrincipalPolicy", granted.registry.account, rest],
      input,
      read: (more: Paged<number>) => simulation.run(granted, request, more),
      keyOf: ({ index }) => index,
    });
    return { EvaluationResults: page.items.map(resultView), ...page.rest };
  },
});

/** @throws InvalidInput */
function exclusionOf({
  PolicyType,
  PolicyArn,
  InlinePolicyIdentifier: inline,
}: z.output<typeof PolicyIdentifier>): PolicyExclusion {
  if (PolicyType !== undefined) return { type: PolicyType };
  if (PolicyArn !== undefined) return { arn: PolicyArn };
  if (inline) return { kind: inline.AttachmentType, entity: inline.AttachmentName, name: inline.PolicyName };
  throw refuse("InvalidInput", { reason: "A policy identifier has a type, an ARN or the name of an inline policy." });
}
