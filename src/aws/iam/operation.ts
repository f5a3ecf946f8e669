import type * as Sdk from "@aws-sdk/client-iam";
import type { RoleServices } from "../../domain/identity/role-services.ts";
import type { UserServices } from "../../domain/identity/user-services.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { IamCode } from "./errors.ts";

/** What IAM operations act through. Each `run` names what it takes. */
export interface IamParts extends RoleServices, UserServices {
  readonly paging: Paging;
}

export const operation = operationsOf<typeof Sdk, IamCode, IamParts>();
