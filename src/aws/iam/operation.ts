import type * as Sdk from "@aws-sdk/client-iam";
import { operationsOf } from "../operation.ts";
import type { IamCode } from "./errors.ts";

/** What IAM operations act through. Each `run` names what it takes. */
// biome-ignore lint/suspicious/noEmptyInterface: services join as they are built
export interface IamParts {}

export const operation = operationsOf<typeof Sdk, IamCode, IamParts>();
