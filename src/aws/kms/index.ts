import { refuse } from "../../domain/errors.ts";
import type { JsonService } from "../service.ts";
import { validationText } from "../validation.ts";
import { errors } from "./errors.ts";
import type { KmsParts } from "./operation.ts";

/** AWS KMS, API version 2014-11-01: symmetric keys, and what stock clients ask about them. */
export function createKms(parts: KmsParts): JsonService {
  return {
    name: "kms",
    targetPrefix: "TrentService",
    operations: async () => (await import("./operations.ts")).operations,
    parts,
    errors,
    internal: ["KMSInternalException", 500],
    invalidInput: (problems) => refuse("Validation", { reason: validationText(problems) }),
  };
}
