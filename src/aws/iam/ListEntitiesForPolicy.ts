import { z } from "zod";
import type { Identity, IdentityKind, Paged } from "../../domain/identity/ports.ts";
import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { PathPrefix, PolicyArn, PolicyUsage, paged, usageOf } from "./shapes.ts";

const kinds: Record<string, IdentityKind | undefined> = { User: "user", Group: "group", Role: "role" };

export const ListEntitiesForPolicy = operation("ListEntitiesForPolicy", {
  input: {
    PolicyArn,
    EntityFilter: z.enum(["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"]).optional(),
    PathPrefix: PathPrefix.optional(),
    PolicyUsageFilter: PolicyUsage.optional(),
    ...paged,
  },
  needs: onPolicy("iam:ListEntitiesForPolicy"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { managedPolicies, paging }) {
    const { PolicyArn, EntityFilter, PathPrefix: pathPrefix, PolicyUsageFilter } = input;
    // What attaches a policy is a user, a group or a role: of the other two kinds the filter finds none.
    const filter = { kind: EntityFilter && kinds[EntityFilter], pathPrefix, usage: usageOf(PolicyUsageFilter) };
    const hasNone = EntityFilter !== undefined && filter.kind === undefined;
    const { items, rest } = await listPage(paging, {
      of: ["ListEntitiesForPolicy", granted.registry.account, PolicyArn, EntityFilter, filter],
      input,
      async read(more: Paged<number>) {
        const entities = await managedPolicies.usedBy(granted, PolicyArn, filter, more);
        return hasNone ? [] : entities;
      },
      keyOf: ({ id }) => id,
    });
    const of = (kind: IdentityKind) => items.filter((entity: Identity) => entity.kind === kind);
    return {
      PolicyGroups: of("group").map(({ name, uniqueId }) => ({ GroupName: name, GroupId: uniqueId })),
      PolicyUsers: of("user").map(({ name, uniqueId }) => ({ UserName: name, UserId: uniqueId })),
      PolicyRoles: of("role").map(({ name, uniqueId }) => ({ RoleName: name, RoleId: uniqueId })),
      ...rest,
    };
  },
});
