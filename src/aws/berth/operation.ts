import type { ExplanationService } from "../../domain/explanations.ts";
import { operationsOf } from "../operation.ts";
import type { BerthApi } from "./contract.ts";
import type { BerthCode } from "./errors.ts";

export interface BerthParts {
  readonly explanations: ExplanationService;
}

export const operation = operationsOf<BerthApi, BerthCode, BerthParts>();
