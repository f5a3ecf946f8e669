import type { Access, Caller, Principal } from "../access.ts";
import { refuse } from "../errors.ts";
import type { AccountId, Arn, Registry } from "../names.ts";
import { rolePrincipal } from "./credentials.ts";
import type { IdentityNouns } from "./ports.ts";
import { findIdentity } from "./role-resources.ts";

export interface ServiceRolesParts {
  readonly read: Pick<IdentityNouns, "identities">;
  readonly access: Pick<Access, "grant">;
  readonly clock: () => Date;
}

/** A service of the registry's own, acting in the name of a role that was passed to it. */
export interface ServiceRoles {
  /**
   * A session of the role, for what `caller` has asked for. There are no credentials of it: it lasts as long as the request.
   * @param service as trust policies name it
   * @throws AccessDenied for a role that is not there, is another account's, or does not trust the service
   */
  assume(service: string, role: Arn, registry: Registry, caller: Caller): Promise<Caller>;
}

export function createServiceRoles({ read, access, clock }: ServiceRolesParts): ServiceRoles {
  return {
    async assume(service, role, registry, caller) {
      const principal: Principal = { kind: "service", account: "" as AccountId, arn: service, userId: service };
      const session = { issuedAt: clock().getTime(), name: service.split(".")[0] ?? service };
      // Against deputies who are made to act for somebody else's account (IAM user guide, "The confused deputy problem").
      const facts = { "sts:rolesessionname": session.name, "aws:sourceaccount": registry.account };
      const action = "sts:AssumeRole";
      await access.grant({ ...caller, principal }, registry, [{ action, resource: role, facts }]);
      const identity = await findIdentity(read, role);
      if (identity?.kind !== "role" || identity.account !== registry.account) {
        const because = "because there is no such role in the registry's account";
        throw refuse("AccessDenied", { principal: service, action, resource: role, because });
      }
      return { ...caller, principal: rolePrincipal(identity, session) };
    },
  };
}
