import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { type Arn, iamArn } from "../names.ts";
import { findEntity, serviceRolePath } from "./entities.ts";
import { newUniqueId } from "./ids.ts";
import type { IdentityMetadata } from "./ports.ts";
import type { Role } from "./roles.ts";

/** Roles of a registry's own services (ECR user guide, "Using service-linked roles for Amazon ECR"). */
const services: Readonly<Record<string, { readonly role: string; readonly policy: string }>> = {
  "replication.ecr.amazonaws.com": {
    role: "AWSServiceRoleForECRReplication",
    policy: "ECRReplicationServiceRolePolicy",
  },
  "pullthroughcache.ecr.amazonaws.com": {
    role: "AWSServiceRoleForECRPullThroughCache",
    policy: "AWSECRPullThroughCache_ServiceRolePolicy",
  },
  "ecr.amazonaws.com": { role: "AWSServiceRoleForECRTemplate", policy: "ECRTemplateServiceRolePolicy" },
};

export interface ServiceLinkedRoleService {
  /** @throws InvalidInput for a service that has none, or has one */
  create(granted: Granted, service: string, description?: string, suffix?: string): Promise<Role>;
  /** Answers the role that is gone. @throws NoSuchEntity */
  delete(granted: Granted, name: string): Promise<Arn>;
}

export interface ServiceLinkedRoleParts {
  readonly metadata: IdentityMetadata;
  readonly clock: () => Date;
  /** Called after whatever changes what somebody may do. */
  readonly changed: () => void;
}

/** Where the role of a service is, for permission checks; a service that has none is asked about all the same. */
export function serviceRoleName(service: string): { readonly path: string; readonly name: string } {
  const known = Object.hasOwn(services, service) ? services[service] : undefined;
  return { path: `${serviceRolePath}${service}/`, name: known?.role ?? "*" };
}

export function createServiceLinkedRoles(parts: ServiceLinkedRoleParts): ServiceLinkedRoleService {
  const { metadata, clock, changed } = parts;
  return {
    async create({ registry: { account } }, service, description, suffix) {
      const known = Object.hasOwn(services, service) ? services[service] : undefined;
      if (!known) {
        throw refuse("InvalidInput", { reason: `Service ${service} is not available for service-linked roles` });
      }
      if (suffix !== undefined) {
        throw refuse("InvalidInput", { reason: `Custom suffix is not allowed for ${service}` });
      }
      const trustPolicy = JSON.stringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
      });
      const role = await metadata.transact(async ({ identities }) => {
        const created = await identities.create({
          account,
          kind: "role",
          ...serviceRoleName(service),
          uniqueId: newUniqueId("role"),
          createdAt: clock(),
          description,
          tags: new Map(),
          maxSessionSeconds: 3600,
          trustPolicy,
          trustBindings: new Map(),
        });
        if (!created) {
          const reason = `Service role name ${known.role} has been taken in this account, please try a different suffix.`;
          throw refuse("InvalidInput", { reason });
        }
        await identities.attach(created.id, iamArn("aws", "policy", serviceRolePath, known.policy));
        return created;
      });
      changed();
      return { ...role, trustPolicy };
    },

    async delete({ registry: { account } }, name) {
      const arn = await metadata.transact(async (nouns) => {
        const role = await findEntity(nouns, account, "role", name);
        if (!role.path.startsWith(serviceRolePath)) {
          throw refuse("NoSuchEntity", { reason: `The role with name ${name} cannot be found.` });
        }
        await nouns.identities.delete(role.id);
        return iamArn(account, "role", role.path, role.name);
      });
      changed();
      return arn;
    },
  };
}
