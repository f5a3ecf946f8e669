import { refuse } from "../../domain/errors.ts";
import type { Paged } from "../../domain/keys/ports.ts";
import { keyArn } from "../../domain/names.ts";
import { onRegistry } from "../operation.ts";
import { pageOf } from "./lists.ts";
import { operation } from "./operation.ts";
import { mustBeAbsent, Principal, paged } from "./shapes.ts";
import { grantView } from "./views.ts";

export const ListRetirableGrants = operation("ListRetirableGrants", {
  input: { RetiringPrincipal: Principal.optional(), RetiringServicePrincipal: Principal.optional(), ...paged },
  needs: onRegistry("kms:ListRetirableGrants"),
  throws: ["InvalidKeyArn", "InvalidMarker", "UnsupportedKey", "Validation"],
  async run(input, granted, { grants, keyring, paging }) {
    const { RetiringPrincipal: principal, RetiringServicePrincipal } = input;
    mustBeAbsent({ RetiringServicePrincipal });
    if (principal === undefined) throw refuse("Validation", { reason: "RetiringPrincipal is required" });
    const { items, more } = await pageOf({
      paging,
      of: ["ListRetirableGrants", principal],
      granted,
      input,
      preset: 50,
      read: (page: Paged<string>) => grants.retirable(granted, principal, page),
      keyOf: ({ id }) => id,
    });
    const views = items.map(async (grant) => {
      const known = await keyring.find(grant.keyId);
      return grantView(known ? known.arn : keyArn(granted.registry, grant.keyId), grant);
    });
    return { Grants: await Promise.all(views), ...more };
  },
});
