import type { Happening } from "../domain/audit/happening.ts";
import { eventIdAt } from "../domain/audit/record.ts";
import type { AuditTrail } from "../domain/audit/trail.ts";
import type { CountType, LifecyclePolicy, LifecycleRule, TagStatus } from "../domain/lifecycle/types.ts";
import { type AccountId, repositoryArn } from "../domain/names.ts";
import { lifecycleActor } from "../domain/registry/lifecycle-actions.ts";
import {
  type ActedImage,
  eventLimits,
  type LifecycleEvent,
  type RecordLifecycle,
} from "../domain/registry/lifecycle-events.ts";

/** Puts on record what evaluations and previews came to, as ECR does in CloudTrail. */
export function recordLifecycle(audit: Pick<AuditTrail, "write">, clock: () => Date): RecordLifecycle {
  return (event) => audit.write(happeningOf(event, clock()));
}

/** A service event (ECR user guide, "Logging Amazon ECR actions with CloudTrail", "Image lifecycle policy actions"). */
function happeningOf(event: LifecycleEvent, at: Date): Happening {
  const { kind, repository } = event;
  const { account, region, name } = repository;
  const operation = kind === "evaluation" ? "PolicyExecutionEvent" : "DryRunEvent";
  const resource = repositoryArn({ account, region }, name);
  return {
    at: at.getTime(),
    arrival: {
      requestId: eventIdAt(at.getTime()),
      sourceIp: lifecycleActor,
      userAgent: lifecycleActor,
      secureTransport: false,
    },
    who: { principal: { kind: "service", account: "" as AccountId, arn: lifecycleActor, userId: lifecycleActor } },
    account,
    region,
    service: "ecr",
    operation,
    // As AWS has it, whatever was deleted.
    readOnly: true,
    needs: [{ action: `ecr:${operation}`, resource }],
    serviceEvent: detailsOf(event),
  };
}

function detailsOf({ repository, policy, version, lastEvaluatedAt, actions, failures }: LifecycleEvent): object {
  return {
    repositoryName: repository.name,
    lifecycleEventPolicy: {
      lifecycleEventRules: rulesOf(policy),
      lastEvaluatedAt: lastEvaluatedAt?.getTime() ?? 0,
      policyVersion: version?.version,
      policyId: version?.id,
    },
    lifecycleEventImageActions: actions.map((image) => imageOf(image)),
    lifecycleEventFailureDetails: failures.map(({ code, reason, ...image }) => ({
      ...imageOf(image),
      failureCode: code,
      failureReason: reason,
    })),
  };
}

const tagStatuses: Record<TagStatus, string> = { tagged: "Tagged", untagged: "Untagged", any: "Any" };
const countTypes: Record<CountType, string> = {
  imageCountMoreThan: "Image count more than",
  sinceImagePushed: "Time since image pushed",
  sinceImagePulled: "Time since image pulled",
  sinceImageTransitioned: "Time since image transitioned",
};

function rulesOf(policy: LifecyclePolicy | undefined): object[] {
  return (policy?.rules ?? []).map(({ priority, description, selection, action }: LifecycleRule) => ({
    rulePriority: priority,
    description,
    lifecycleEventSelection: {
      tagStatus: tagStatuses[selection.tagStatus],
      tagPrefixList: selection.tagPrefixList ?? [],
      tagPatternList: selection.tagPatternList ?? [],
      countType: countTypes[selection.countType],
      countUnit: selection.countType === "imageCountMoreThan" ? undefined : "Days",
      countNumber: selection.countNumber,
    },
    action,
  }));
}

function imageOf({ digest, tags, pushedAt, priority }: ActedImage): object {
  const tagStatus = tags.length > 0 ? tagStatuses.tagged : tagStatuses.untagged;
  return {
    lifecycleEventImage: { digest, tagStatus, tagList: tags.slice(0, eventLimits.tags), pushedAt },
    rulePriority: priority,
  };
}
