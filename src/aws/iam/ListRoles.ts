import type { Paged } from "../../domain/identity/ports.ts";
import { onPath } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { PathPrefix, paged } from "./shapes.ts";
import { listedRoleView } from "./views.ts";

export const ListRoles = operation("ListRoles", {
  input: { PathPrefix: PathPrefix.optional(), ...paged },
  needs: onPath("iam:ListRoles", "role"),
  throws: ["Validation"],
  async run(input, granted, { roles, paging }) {
    const { PathPrefix: pathPrefix } = input;
    const { items, rest } = await listPage(paging, {
      of: ["ListRoles", granted.registry.account, pathPrefix],
      input,
      read: (more: Paged<string>) => roles.list(granted, { ...more, pathPrefix }),
      keyOf: ({ name }) => name.toLowerCase(),
    });
    return { Roles: items.map(listedRoleView), ...rest };
  },
});
