import type { Access } from "../../domain/access.ts";
import type { ExplanationService } from "../../domain/explanations.ts";
import type { RuleService } from "../../domain/pull-through/rule-service.ts";
import type { HoldService } from "../../domain/registry/holds.ts";
import type { LifecycleAnswerService } from "../../domain/registry/lifecycle-answers.ts";
import type { RetentionService } from "../../domain/registry/retention.ts";
import type { UndeleteService } from "../../domain/registry/undelete.ts";
import type { UsageService } from "../../domain/registry/usage.ts";
import type { ReplicationExtras } from "../../domain/replication/options.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { BerthApi } from "./contract.ts";
import type { BerthCode } from "./errors.ts";

export interface BerthParts {
  readonly explanations: ExplanationService;
  readonly holds: HoldService;
  readonly pullThroughRules: RuleService;
  readonly retention: RetentionService;
  readonly undelete: UndeleteService;
  readonly lifecycleAnswers: LifecycleAnswerService;
  readonly usage: UsageService;
  readonly replicationExtras: ReplicationExtras;
  /** For lists that show only what their reader may see. */
  readonly access: Access;
  readonly paging: Paging;
}

export const operation = operationsOf<BerthApi, BerthCode, BerthParts>();
