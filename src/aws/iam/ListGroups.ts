import type { Paged } from "../../domain/identity/ports.ts";
import { onPath } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { PathPrefix, paged } from "./shapes.ts";
import { groupView } from "./views.ts";

export const ListGroups = operation("ListGroups", {
  input: { PathPrefix: PathPrefix.optional(), ...paged },
  needs: onPath("iam:ListGroups", "group"),
  throws: ["Validation"],
  async run(input, granted, { groups, paging }) {
    const { PathPrefix: pathPrefix } = input;
    const { items, rest } = await listPage(paging, {
      of: ["ListGroups", granted.registry.account, pathPrefix],
      input,
      read: (page: Paged<string>) => groups.list(granted, { ...page, pathPrefix }),
      keyOf: ({ name }) => name.toLowerCase(),
    });
    return { Groups: items.map(groupView), ...rest };
  },
});
