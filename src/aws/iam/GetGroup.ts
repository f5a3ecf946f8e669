import type { Paged } from "../../domain/identity/ports.ts";
import { onGroup } from "./needs.ts";
import { operation } from "./operation.ts";
import { listPage } from "./paging.ts";
import { GroupName, paged } from "./shapes.ts";
import { groupView, listedUserView } from "./views.ts";

export const GetGroup = operation("GetGroup", {
  input: { GroupName, ...paged },
  needs: onGroup("iam:GetGroup"),
  throws: ["NoSuchEntity", "Validation"],
  async run(input, granted, { groups, paging }) {
    const group = await groups.get(granted, input.GroupName);
    const { items, rest } = await listPage(paging, {
      of: ["GetGroup", granted.registry.account, group.uniqueId],
      input,
      read: (page: Paged<string>) => groups.members(group, page),
      keyOf: ({ name }) => name.toLowerCase(),
    });
    return { Group: groupView(group), Users: items.map(listedUserView), ...rest };
  },
});
