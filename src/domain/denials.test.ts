import { expect, test } from "bun:test";
import { beginning } from "./audit/chain.ts";
import { chained, packed } from "./audit/packs.ts";
import { createDenials, type Records } from "./denials.ts";
import type { AccountId, Region, Registry } from "./names.ts";

const registry: Registry = { account: "111122223333" as AccountId, region: "us-east-1" as Region };
const cameAt = Date.UTC(2026, 0, 1);
const idAt = (ms: number, tail = "000000000001") => {
  const hex = ms.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${tail}`;
};
const arn = "arn:aws:sts::111122223333:assumed-role/push/job";

const recordOf = (requestID: string, more: object = {}) =>
  JSON.stringify({
    eventTime: "2026-01-01T00:00:00Z",
    userIdentity: { arn, sessionContext: { sessionIssuer: { arn: "arn:aws:iam::111122223333:role/push" } } },
    sourceIPAddress: "10.0.0.9",
    userAgent: "docker/29",
    additionalEventData: {
      authorization: [
        { action: "ecr:BatchGetImage", resource: "arn:a", decision: "allowed", because: "because" },
        {
          action: "ecr:PutImage",
          resource: "arn:b",
          decision: "denied",
          because: "with an explicit deny in an identity-based policy",
          statement: { policyType: "identity", policy: "p", sid: "S", index: 1 },
        },
      ],
    },
    requestID,
    ...more,
  });

/** A trail of so many records beside the one that is looked for, in packs as storage lists them. */
function trail(found: { at: number; record: string }[], others = 0) {
  const written = [
    ...found,
    ...Array.from({ length: others }, (_, n) => ({ at: cameAt + (n % 1_000), record: recordOf(`other ${n}`) })),
  ].map(({ at, record }) => ({ ...registry, at: new Date(at), record }));
  const packs = chained(beginning, packed(written)).sort(
    (a, b) => b.lastAt.getTime() - a.lastAt.getTime() || b.lastSequence - a.lastSequence,
  );
  const records: Records = {
    async list(of, { from, until, behind, limit }) {
      if (of.account !== registry.account || of.region !== registry.region) return [];
      const start = behind ? packs.findIndex(({ lastSequence }) => lastSequence === behind.lastSequence) + 1 : 0;
      return packs
        .slice(start)
        .filter(({ firstAt, lastAt }) => lastAt >= from && firstAt <= until)
        .slice(0, limit);
    },
  };
  return createDenials(records);
}

test("a denial is found by its request's id, with what was decided and asked by whom", async () => {
  const id = idAt(cameAt);
  expect(await trail([{ at: cameAt + 5, record: recordOf(id) }], 1_000).denialOf(id, registry)).toEqual({
    requestId: id,
    at: new Date(cameAt),
    principalArn: arn,
    identityArn: "arn:aws:iam::111122223333:role/push",
    action: "ecr:PutImage",
    resource: "arn:b" as never,
    decision: {
      allowed: false,
      because: "with an explicit deny in an identity-based policy",
      statement: { policy: { kind: "identity", name: "p" }, sid: "S", index: 1 },
    },
    facts: { "aws:sourceip": "10.0.0.9", "aws:useragent": "docker/29" },
  });
});

test("records that quote the id do not hide it", async () => {
  const id = idAt(cameAt);
  const quoting = { at: cameAt + 9, record: recordOf("other", { requestParameters: { requestID: id } }) };
  expect(await trail([{ at: cameAt, record: recordOf(id) }, quoting]).denialOf(id, registry)).toBeDefined();
});

test("a slow one is found as well", async () => {
  const id = idAt(cameAt);
  expect(await trail([{ at: cameAt + 20_000, record: recordOf(id) }]).denialOf(id, registry)).toBeDefined();
});

test("what is no denial, or not of this registry, is none", async () => {
  const id = idAt(cameAt);
  const denialOf = (record: string, of = registry) => trail([{ at: cameAt, record }]).denialOf(id, of);
  expect(await denialOf(recordOf(id), { ...registry, account: "999988887777" as AccountId })).toBeUndefined();
  expect(await denialOf(recordOf(id, { additionalEventData: undefined }))).toBeUndefined();
  expect(await denialOf(recordOf(id, { userIdentity: { type: "Unknown" } }))).toBeUndefined();
  expect(await denialOf(recordOf(idAt(cameAt, "000000000002")))).toBeUndefined();
  // What a client sends stands in records too.
  expect(await denialOf(recordOf("other", { requestParameters: { name: `"requestID":"${id}"` } }))).toBeUndefined();
  expect(await denialOf(recordOf("other", { requestParameters: { requestID: id } }))).toBeUndefined();
});

test("an id of another kind has no record", async () => {
  for (const id of ["", "x", "9f1c1c5e-6d0e-4a58-8d7f-0c5a3d1b2e4f", `${idAt(cameAt)}"`]) {
    expect(await trail([{ at: cameAt, record: recordOf(id) }]).denialOf(id, registry)).toBeUndefined();
  }
});
