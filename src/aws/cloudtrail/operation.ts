import type * as Sdk from "@aws-sdk/client-cloudtrail";
import type { AuditLookup } from "../../domain/audit/lookup.ts";
import type { Sealer } from "../../domain/identity/sealer.ts";
import { operationsOf } from "../operation.ts";
import type { CloudTrailCode } from "./errors.ts";

export interface CloudTrailParts {
  readonly lookup: AuditLookup;
  /** Makes opaque tokens. */
  readonly sealer: Sealer;
  readonly clock: () => Date;
}

export const operation = operationsOf<typeof Sdk, CloudTrailCode, CloudTrailParts>();
