import type * as Sdk from "@aws-sdk/client-kms";
import type { Sealer } from "../../domain/identity/sealer.ts";
import type { KeyServices } from "../../domain/keys/services.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { KmsCode } from "./errors.ts";

/** What KMS operations act through. Each `run` names what it takes. */
export interface KmsParts extends Omit<KeyServices, "resources"> {
  readonly paging: Paging;
  readonly sealer: Sealer;
}

export const operation = operationsOf<typeof Sdk, KmsCode, KmsParts>();
