import type { PolicyKind } from "../policy/document.ts";
import type { Facts, Need } from "./access.ts";
import { listRecords } from "./audit/listing.ts";
import type { AuditPacks, AuditPosition } from "./audit/ports.ts";
import { timeOfEventId } from "./audit/record.ts";
import type { Denials, RecordedDenial } from "./explanations.ts";
import type { Arn, Registry } from "./names.ts";

/** The audit trail, as far as denials are found in it. */
export type Records = Pick<AuditPacks, "list">;

/** An id tells when its request came, and a record when it ended: a denial is no long affair. */
const windowsMs = [
  [-1_000, 2_000],
  [2_000, 30_000],
] as const;
const pageSize = 200;
/** Of one window: more than a busy registry does in that time. */
const maxScanned = 20_000;

export function createDenials(records: Records): Denials {
  async function recordOf(requestId: string, registry: Registry): Promise<TrailRecord | undefined> {
    const cameAt = timeOfEventId(requestId);
    if (cameAt === undefined) return undefined;
    const needle = `"requestID":"${requestId}"`;
    for (const [from, until] of windowsMs) {
      const range = { from: new Date(cameAt + from), until: new Date(cameAt + until) };
      let after: AuditPosition | undefined;
      for (let scanned = 0; scanned < maxScanned; scanned += pageSize) {
        const page = await listRecords(records, registry, { ...range, after, limit: pageSize });
        for (const { record } of page) {
          // What a client sent stands in records too, and may look like this.
          const parsed = record.includes(needle) ? (JSON.parse(record) as TrailRecord) : undefined;
          if (parsed?.requestID === requestId) return parsed;
        }
        if (page.length < pageSize) break;
        after = page.at(-1);
      }
    }
    return undefined;
  }

  return {
    async denialOf(requestId, registry) {
      const record = await recordOf(requestId, registry);
      return record && denialIn(requestId, record);
    },
  };
}

/** What is read of a record (CloudTrail user guide, "CloudTrail record contents"). */
interface TrailRecord {
  readonly requestID?: string;
  readonly eventTime: string;
  readonly userIdentity?: {
    readonly arn?: string;
    readonly sessionContext?: { readonly sessionIssuer?: { readonly arn?: string } };
  };
  readonly sourceIPAddress?: string;
  readonly userAgent?: string;
  readonly additionalEventData?: { readonly authorization?: readonly Authorization[] };
}

interface Authorization {
  readonly action: string;
  readonly resource: string;
  readonly decision: string;
  readonly because: string;
  readonly statement?: {
    readonly policyType: string;
    readonly policy: string;
    readonly sid?: string;
    readonly index: number;
  };
}

function denialIn(requestId: string, record: TrailRecord): RecordedDenial | undefined {
  const { userIdentity, eventTime, sourceIPAddress, userAgent, additionalEventData } = record;
  const denied = additionalEventData?.authorization?.find(({ decision }) => decision === "denied");
  // Whoever was not believed was not denied by a policy.
  if (!denied || userIdentity?.arn === undefined) return undefined;
  const { action, resource, because, statement } = denied;
  const facts: Facts = { "aws:sourceip": sourceIPAddress, "aws:useragent": userAgent };
  return {
    requestId,
    at: new Date(eventTime),
    principalArn: userIdentity.arn,
    identityArn: userIdentity.sessionContext?.sessionIssuer?.arn,
    action: action as Need["action"],
    resource: resource as Arn | "*",
    decision: {
      allowed: false,
      because,
      statement: statement && {
        policy: { kind: statement.policyType as PolicyKind, name: statement.policy },
        sid: statement.sid,
        index: statement.index,
      },
    },
    facts,
  };
}
