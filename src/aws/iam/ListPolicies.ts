import { z } from "zod";
import { policyKey } from "../../domain/identity/managed-policies.ts";
import type { Paged } from "../../domain/identity/ports.ts";
import { onPath } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { PathPrefix, PolicyUsage, paged, usageOf } from "./shapes.ts";
import { listedPolicyView } from "./views.ts";

const scopes = { All: "all", AWS: "aws", Local: "local" } as const;

export const ListPolicies = operation("ListPolicies", {
  input: {
    Scope: z.enum(["All", "AWS", "Local"]).optional(),
    OnlyAttached: z.boolean().optional(),
    PathPrefix: PathPrefix.optional(),
    PolicyUsageFilter: PolicyUsage.optional(),
    ...paged,
  },
  needs: onPath("iam:ListPolicies", "policy"),
  throws: ["Validation"],
  async run(input, granted, { managedPolicies, paging }) {
    const { Scope = "All", OnlyAttached: onlyAttached, PathPrefix: pathPrefix, PolicyUsageFilter } = input;
    const filter = { scope: scopes[Scope], onlyAttached, usage: usageOf(PolicyUsageFilter), pathPrefix };
    const { items, rest } = await listPage(paging, {
      of: ["ListPolicies", granted.registry.account, filter],
      input,
      read: (more: Paged<string>) => managedPolicies.list(granted, filter, more),
      keyOf: policyKey,
    });
    return { Policies: items.map(listedPolicyView), ...rest };
  },
});
