import { z } from "zod";
import { accountPageOf, listOf, pageOf } from "./lists.ts";
import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { ParentId, paged } from "./shapes.ts";

export const ListChildren = operation("ListChildren", {
  input: { ParentId, ChildType: z.enum(["ACCOUNT", "ORGANIZATIONAL_UNIT"]), ...paged },
  needs: onNodes("organizations:ListChildren", ({ ParentId: id }) => id),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "ParentNotFound", "InvalidParameter"],
  async run(input, granted, { organizations, paging }) {
    const { ParentId: parentId, ChildType: Type } = input;
    const list = { paging, of: listOf("ListChildren", granted, parentId, Type), input };
    const idOf = <Id extends string>({ id }: { id: Id }) => id;
    const { items, nextToken } =
      Type === "ACCOUNT"
        ? await accountPageOf(list, (page) => organizations.accountsIn(granted, parentId, page), idOf)
        : await pageOf(list, (await organizations.unitsIn(granted, parentId)).thing, idOf);
    return { Children: items.map(({ id: Id }) => ({ Id, Type })), NextToken: nextToken };
  },
});
