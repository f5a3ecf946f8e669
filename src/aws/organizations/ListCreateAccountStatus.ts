import { z } from "zod";
import type { AccountId } from "../../domain/names.ts";
import { onRegistry } from "../operation.ts";
import { accountPageOf, listOf } from "./lists.ts";
import { operation } from "./operation.ts";
import { paged } from "./shapes.ts";
import { creationView } from "./views.ts";

export const ListCreateAccountStatus = operation("ListCreateAccountStatus", {
  input: { States: z.array(z.enum(["IN_PROGRESS", "SUCCEEDED", "FAILED"])).optional(), ...paged },
  needs: onRegistry("organizations:ListCreateAccountStatus"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "InvalidParameter"],
  async run(input, granted, { organizations, paging }) {
    // Those that failed leave nothing to list, and none is ever in progress.
    if (input.States && !input.States.includes("SUCCEEDED")) return { CreateAccountStatuses: [] };
    const list = { paging, of: listOf("ListCreateAccountStatus", granted), input };
    const { items, nextToken } = await accountPageOf(
      list,
      (page) => organizations.accountCreations(granted, page),
      ({ account }) => account?.id as AccountId,
    );
    return { CreateAccountStatuses: items.map(creationView), NextToken: nextToken };
  },
});
