import { z } from "zod";
import { policyKey } from "../../domain/identity/managed-policies.ts";
import { listPage } from "./lists.ts";
import { onPath } from "./needs.ts";
import { operation } from "./operation.ts";
import { PathPrefix, PolicyUsage, paged, usageOf } from "./policy-shapes.ts";
import { listedPolicy } from "./policy-views.ts";

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
    const { items, ...page } = await listPage(paging, {
      granted,
      of: ["ListPolicies", filter],
      input,
      read: (more) => managedPolicies.list(granted, filter, more),
      keyOf: policyKey,
    });
    return { Policies: items.map(listedPolicy), ...page };
  },
});
