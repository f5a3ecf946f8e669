import type * as Sdk from "@aws-sdk/client-sts";
import type { Credentials } from "../../domain/identity/credentials.ts";
import { operationsOf } from "../operation.ts";
import type { StsCode } from "./errors.ts";

export interface StsParts {
  readonly credentials: Credentials;
}

export const operation = operationsOf<typeof Sdk, StsCode, StsParts>();
