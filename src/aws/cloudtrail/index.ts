import { refuse } from "../../domain/errors.ts";
import { type JsonService, operationMap } from "../service.ts";
import { validationText } from "../validation.ts";
import { errors } from "./errors.ts";
import { LookupEvents } from "./LookupEvents.ts";
import type { CloudTrailParts } from "./operation.ts";

/** AWS CloudTrail, API version 2013-11-01: how the audit trail is read. */
export function createCloudTrail(parts: CloudTrailParts): JsonService {
  return {
    name: "cloudtrail",
    // The short one is of the SDK for JavaScript, the long one of botocore and the SDK for Go.
    targetPrefix: ["CloudTrail_20131101", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"],
    operations: () => operations,
    parts,
    errors,
    internal: ["InternalFailure", 500],
    invalidInput: (problems) => refuse("Validation", { reason: validationText(problems) }),
  };
}

export const operations = operationMap<CloudTrailParts>([LookupEvents]);
