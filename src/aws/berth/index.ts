import { refuse } from "../../domain/errors.ts";
import { type JsonService, operationMap } from "../service.ts";
import { validationText } from "../validation.ts";
import { ExplainDecision } from "./ExplainDecision.ts";
import { errors } from "./errors.ts";
import { ListHolds } from "./ListHolds.ts";
import type { BerthParts } from "./operation.ts";
import { PutHold } from "./PutHold.ts";
import { RemoveHold } from "./RemoveHold.ts";

/** What Berth answers beyond AWS's services: an API of our own beside theirs. */
export function createBerth(parts: BerthParts): JsonService {
  return {
    name: "berth",
    targetPrefix: "Berth_V1",
    operations: () => operations,
    parts,
    errors,
    internal: ["InternalServerException", 500],
    invalidInput: (problems) => refuse("Validation", { reason: validationText(problems) }),
  };
}

export const operations = operationMap<BerthParts>([ExplainDecision, ListHolds, PutHold, RemoveHold]);
