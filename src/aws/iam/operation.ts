import type * as Sdk from "@aws-sdk/client-iam";
import type { IamServices } from "../../domain/identity/iam-services.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { IamCode } from "./errors.ts";

/** What IAM operations act through. Each `run` names what it takes. */
export interface IamParts extends IamServices {
  readonly paging: Paging;
}

export const operation = operationsOf<typeof Sdk, IamCode, IamParts>();
