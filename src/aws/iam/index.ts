import { refuse } from "../../domain/errors.ts";
import type { QueryService } from "../service.ts";
import { errors } from "./errors.ts";
import type { IamParts } from "./operation.ts";
import { invalidText } from "./shapes.ts";

/** AWS Identity and Access Management, API version 2010-05-08. */
export function createIam(parts: IamParts): QueryService {
  return {
    name: "iam",
    isGlobal: true,
    version: "2010-05-08",
    namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
    operations: async () => (await import("./operations.ts")).operations,
    parts,
    errors,
    internal: ["ServiceFailure", 500],
    invalidInput: (problems) => refuse("Validation", { reason: invalidText(problems) }),
  };
}
