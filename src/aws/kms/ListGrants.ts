import type { Paged } from "../../domain/keys/ports.ts";
import { pageOf } from "./lists.ts";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { GrantId, KeyId, Principal, paged } from "./shapes.ts";
import { arnOf, grantView } from "./views.ts";

export const ListGrants = operation("ListGrants", {
  input: {
    KeyId,
    GrantId: GrantId.optional(),
    GranteePrincipal: Principal.optional(),
    GranteeServicePrincipal: Principal.optional(),
    ...paged,
  },
  account: ofKey,
  needs: onKey("kms:ListGrants"),
  throws: ["KeyNotFound", "InvalidKeyArn", "InvalidMarker"],
  async run(input, granted, { grants, keys, paging }) {
    const key = await keys.describe(granted);
    const filter = { id: input.GrantId, grantee: input.GranteePrincipal ?? input.GranteeServicePrincipal };
    const { items, more } = await pageOf({
      paging,
      of: ["ListGrants", key.id, filter.id, filter.grantee],
      granted,
      input,
      preset: 50,
      read: (page: Paged<string>) => grants.list(granted, page, filter),
      keyOf: ({ id }) => id,
    });
    return { Grants: items.map((grant) => grantView(arnOf(key), grant)), ...more };
  },
});
