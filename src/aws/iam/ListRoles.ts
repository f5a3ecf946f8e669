import { listPage } from "./lists.ts";
import { onPath } from "./needs.ts";
import { operation } from "./operation.ts";
import { PathPrefix, paged } from "./policy-shapes.ts";
import { listedRole } from "./role-views.ts";

export const ListRoles = operation("ListRoles", {
  input: { PathPrefix: PathPrefix.optional(), ...paged },
  needs: onPath("iam:ListRoles", "role"),
  throws: ["Validation"],
  async run(input, granted, { roles, paging }) {
    const { PathPrefix: pathPrefix } = input;
    const { items, ...page } = await listPage(paging, {
      granted,
      of: ["ListRoles", pathPrefix],
      input,
      read: (more) => roles.list(granted, { ...more, pathPrefix }),
      keyOf: ({ name }) => name.toLowerCase(),
    });
    return { Roles: items.map(listedRole), ...page };
  },
});
