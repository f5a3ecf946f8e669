import type { Principal } from "../access.ts";
import type { AccountId, Arn, Region } from "../names.ts";
import type { Happening } from "./happening.ts";
import { chained, opened, packed } from "./packs.ts";
import type { AuditEvent, AuditMetadata, Written } from "./ports.ts";

/** For tests of what is written down. */

export const home = { account: "111122223333" as AccountId, region: "eu-west-1" as Region };

export const ci: Principal = {
  kind: "user",
  account: home.account,
  arn: `arn:aws:iam::${home.account}:user/team/ci`,
  userId: "AIDACIEXAMPLE",
  identityId: "AIDACIEXAMPLE",
};

export function happened(facts: Partial<Happening> = {}): Happening {
  return {
    at: Date.UTC(2026, 2, 1, 12, 0, 0, 500),
    arrival: { requestId: "request", sourceIp: "10.0.0.1", userAgent: "docker/27", secureTransport: true },
    who: { principal: ci, accessKeyId: "AKIACIEXAMPLE", method: "AuthHeader" },
    ...home,
    service: "ecr",
    operation: "BatchGetImage",
    readOnly: true,
    needs: [
      { action: "ecr:BatchGetImage", resource: `arn:aws:ecr:eu-west-1:${home.account}:repository/app/web` as Arn },
    ],
    decisions: [
      {
        allowed: true,
        because: "because an identity-based policy allows the ecr:BatchGetImage action",
        statement: { policy: { kind: "identity", name: "pull" }, sid: "Pull", index: 2 },
      },
    ],
    ...facts,
  };
}

/** As a trail writes a batch. */
export function append(metadata: AuditMetadata, written: readonly Written[]): Promise<void> {
  const packs = packed(written);
  return metadata.transact(async ({ audit }) => {
    const { newest } = await audit.lockEnds();
    await audit.append(chained(newest, packs));
  });
}

/** All that is kept, in the order of the chain. */
export async function recordsIn({ read }: Pick<AuditMetadata, "read">, after = 0): Promise<AuditEvent[]> {
  const packs = await read.audit.chain({ after, limit: 100_000 });
  return packs.flatMap(opened).filter(({ sequence }) => sequence > after);
}
