import type * as Sdk from "@aws-sdk/client-organizations";
import type { OrganizationService } from "../../domain/identity/organizations.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { OrganizationsCode } from "./errors.ts";

/** What Organizations operations act through. Each `run` names what it takes. */
export interface OrganizationsParts {
  readonly organizations: OrganizationService;
  readonly paging: Paging;
}

export const operation = operationsOf<typeof Sdk, OrganizationsCode, OrganizationsParts>();
