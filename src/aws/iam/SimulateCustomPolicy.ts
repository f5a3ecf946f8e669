import { z } from "zod";
import type { Paged } from "../../domain/identity/ports.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { PolicyList, requestOf, resultView, simulationInput } from "./simulation.ts";

export const SimulateCustomPolicy = operation("SimulateCustomPolicy", {
  input: {
    PolicyInputList: PolicyList,
    OrderedOrganizationPolicyInputList: z
      .array(z.object({ ServiceControlPolicyInputList: PolicyList.optional() }))
      .max(10)
      .optional(),
    ...simulationInput,
  },
  needs: () => [{ action: "iam:SimulateCustomPolicy", resource: "*" }],
  throws: ["InvalidInput", "Validation"],
  async run(input, granted, { simulation, paging }) {
    const { Marker: _marker, MaxItems: _maxItems, ...rest } = input;
    const levels = input.OrderedOrganizationPolicyInputList?.map((level) => level.ServiceControlPolicyInputList ?? []);
    const request = { ...requestOf(input, input.PolicyInputList), serviceControl: levels };
    const page = await listPage(paging, {
      of: ["SimulateCustomPolicy", granted.registry.account, rest],
      input,
      read: (more: Paged<number>) => simulation.run(granted, request, more),
      keyOf: ({ index }) => index,
    });
    return { EvaluationResults: page.items.map(resultView), ...page.rest };
  },
});
