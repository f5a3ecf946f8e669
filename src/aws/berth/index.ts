import { refuse } from "../../domain/errors.ts";
import { type JsonService, operationMap } from "../service.ts";
import { validationText } from "../validation.ts";
import { DeleteRetention } from "./DeleteRetention.ts";
import { DiffLifecyclePolicy } from "./DiffLifecyclePolicy.ts";
import { ExplainDecision } from "./ExplainDecision.ts";
import { ExplainLifecycle } from "./ExplainLifecycle.ts";
import { errors } from "./errors.ts";
import { GetPullThroughOptions } from "./GetPullThroughOptions.ts";
import { GetReplicationOptions } from "./GetReplicationOptions.ts";
import { GetRepositoryUsage } from "./GetRepositoryUsage.ts";
import { GetRetention } from "./GetRetention.ts";
import { GetUsageHistory } from "./GetUsageHistory.ts";
import { ListDeletedImages } from "./ListDeletedImages.ts";
import { ListDeletedRepositories } from "./ListDeletedRepositories.ts";
import { ListHolds } from "./ListHolds.ts";
import { ListUsage } from "./ListUsage.ts";
import type { BerthParts } from "./operation.ts";
import { PutHold } from "./PutHold.ts";
import { PutPullThroughOptions } from "./PutPullThroughOptions.ts";
import { PutReplicationOptions } from "./PutReplicationOptions.ts";
import { PutRetention } from "./PutRetention.ts";
import { RemoveHold } from "./RemoveHold.ts";
import { ReplicateImages } from "./ReplicateImages.ts";
import { SetDeletionProtection } from "./SetDeletionProtection.ts";
import { UndeleteImage } from "./UndeleteImage.ts";
import { UndeleteRepository } from "./UndeleteRepository.ts";

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

export const operations = operationMap<BerthParts>([
  DeleteRetention,
  DiffLifecyclePolicy,
  ExplainDecision,
  ExplainLifecycle,
  GetPullThroughOptions,
  GetRepositoryUsage,
  GetReplicationOptions,
  GetRetention,
  GetUsageHistory,
  ListDeletedImages,
  ListDeletedRepositories,
  ListHolds,
  ListUsage,
  PutHold,
  PutPullThroughOptions,
  PutReplicationOptions,
  PutRetention,
  RemoveHold,
  ReplicateImages,
  SetDeletionProtection,
  UndeleteImage,
  UndeleteRepository,
]);
