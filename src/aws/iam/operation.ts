import type * as Sdk from "@aws-sdk/client-iam";
import type { AttachmentService } from "../../domain/identity/attachments.ts";
import type { BoundaryService } from "../../domain/identity/boundaries.ts";
import type { IamResources } from "../../domain/identity/entities.ts";
import type { InlinePolicyService } from "../../domain/identity/inline-policies.ts";
import type { ManagedPolicyService } from "../../domain/identity/managed-policies.ts";
import type { OidcProviderService } from "../../domain/identity/oidc-providers.ts";
import type { RoleService } from "../../domain/identity/roles.ts";
import type { ServiceLinkedRoleService } from "../../domain/identity/service-linked-roles.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { IamCode } from "./errors.ts";

/** What IAM operations act through. Each `run` names what it takes. */
export interface IamParts {
  readonly roles: RoleService;
  readonly serviceLinkedRoles: ServiceLinkedRoleService;
  readonly managedPolicies: ManagedPolicyService;
  readonly attachments: AttachmentService;
  readonly inlinePolicies: InlinePolicyService;
  readonly boundaries: BoundaryService;
  readonly oidcProviders: OidcProviderService;
  readonly resources: IamResources;
  readonly paging: Paging;
}

export const operation = operationsOf<typeof Sdk, IamCode, IamParts>();
