import type { Paged } from "../../domain/identity/ports.ts";
import { onPath } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { PathPrefix, paged } from "./shapes.ts";
import { listedUserView } from "./views.ts";

export const ListUsers = operation("ListUsers", {
  input: { PathPrefix: PathPrefix.optional(), ...paged },
  needs: onPath("iam:ListUsers", "user"),
  throws: ["Validation"],
  async run(input, granted, { users, paging }) {
    const { PathPrefix: pathPrefix } = input;
    const { items, rest } = await listPage(paging, {
      of: ["ListUsers", granted.registry.account, pathPrefix],
      input,
      read: (page: Paged<string>) => users.list(granted, { ...page, pathPrefix }),
      keyOf: ({ name }) => name.toLowerCase(),
    });
    return { Users: items.map(listedUserView), ...rest };
  },
});
