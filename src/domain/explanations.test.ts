import { expect, test } from "bun:test";
import type { PolicyKind } from "../policy/document.ts";
import type { Explanation, LayerVerdict } from "../policy/question.ts";
import type { Access, Caller, Granted, Need, Principal } from "./access.ts";
import { createExplanations, type RecordedDenial } from "./explanations.ts";
import type { AccountId, Arn, Region, Registry } from "./names.ts";

const account = "111122223333" as AccountId;
const registry: Registry = { account, region: "us-east-1" as Region };
const user = (name: string, more: Partial<Principal> = {}): Principal => ({
  kind: "user",
  account,
  arn: `arn:aws:iam::${account}:user/${name}`,
  userId: name,
  ...more,
});
const repository = (owner: string = account) => `arn:aws:ecr:eu-west-1:${owner}:repository/app` as Arn;

const layer = (kind: PolicyKind, verdict: LayerVerdict["verdict"]): LayerVerdict => ({
  kind,
  verdict,
  statements: [{ policy: { kind, name: `the ${kind} policy` }, sid: "S", index: 0 }],
});
const kinds: PolicyKind[] = [
  "service-control",
  "resource-control",
  "registry",
  "repository",
  "identity",
  "boundary",
  "session",
];

/** A gate that says the same of everything, and whom may be explained to whom. */
function world(explanation: Partial<Explanation>, readers: Record<string, string[]> = {}, denial?: RecordedDenial) {
  const asked: { caller: Caller; registry: Registry; need: Need }[] = [];
  const access = {
    allows: async ({ principal }, _registry, { action, resource }) =>
      action === "iam:SimulatePrincipalPolicy" && readers[principal.arn]?.includes(resource) === true,
    explain: async (caller, place, need) => {
      asked.push({ caller, registry: place, need });
      return { allowed: false, because: "because", layers: [], missingKeys: [], ...explanation };
    },
  } satisfies Partial<Access> as unknown as Access;
  const service = createExplanations({
    access,
    principals: { describe: async (arn) => [user("ann"), user("bob")].find((known) => known.arn === arn) },
    denials: { denialOf: async (id, of) => (denial?.requestId === id && of.account === account ? denial : undefined) },
  });
  const as = (principal: Principal): Granted => {
    const caller = { principal, requestId: "r", sourceIp: "192.0.2.7", secureTransport: true, note: () => {} };
    return { caller, registry, needs: [], decisions: [] } as unknown as Granted;
  };
  return { service, as, asked };
}

const push = { action: "ecr:PutImage", resource: repository() } as const;
const all = kinds.map((kind) => layer(kind, "implicitDeny"));

test("who may simulate a principal is told everything about its own account's policies", async () => {
  const { service, as } = world(
    { layers: all, missingKeys: ["aws:sourceip"] },
    { [user("ann").arn]: [user("bob").arn] },
  );
  const answer = await service.ofDecision(as(user("ann")), { principalArn: user("bob").arn, ...push });
  expect(answer).toMatchObject({
    layers: all,
    missingKeys: ["aws:sourceip"],
    withheld: false,
    principalArn: user("bob").arn,
  });
});

test("others are told of their own policies only, and of no other policy that it is there", async () => {
  const { service, as } = world({ layers: all, missingKeys: ["aws:sourceip"], statement: all[3]?.statements[0] });
  const { layers, ...answer } = await service.ofDecision(as(user("ann")), push);
  expect(layers).toEqual([
    { kind: "service-control", verdict: "implicitDeny", statements: [] },
    ...all.filter(({ kind }) => ["identity", "boundary", "session"].includes(kind)),
  ]);
  expect(answer).toMatchObject({ missingKeys: [], withheld: true, statement: undefined });
});

test("an explicit deny is told as every refusal tells it: by its kind", async () => {
  const deny = layer("repository", "explicitDeny");
  const { service, as } = world({ layers: [deny], statement: deny.statements[0] });
  const answer = await service.ofDecision(as(user("ann")), push);
  expect(answer.layers).toEqual([{ kind: "repository", verdict: "explicitDeny", statements: [] }]);
  expect(answer.statement).toBeUndefined();
});

test("another account's policies are nobody's to read here", async () => {
  const readers = { [user("ann").arn]: [user("ann").arn] };
  const { service, as, asked } = world({ layers: all }, readers);
  const answer = await service.ofDecision(as(user("ann")), { ...push, resource: repository("999988887777") });
  expect(answer.layers.map(({ kind }) => kind)).toEqual(["service-control", "identity", "boundary", "session"]);
  expect(answer.withheld).toBe(true);
  expect(asked[0]?.registry).toEqual({ account: "999988887777" as AccountId, region: "eu-west-1" as Region });
});

test("a question about oneself has the facts of one's request, about another only those that are given", async () => {
  const { service, as, asked } = world({});
  const context = { "aws:useragent": "docker/29" };
  await service.ofDecision(as(user("ann")), { ...push, context });
  await service.ofDecision(as(user("ann")), { principalArn: user("bob").arn, ...push, context });
  expect(asked[0]?.need.facts).toEqual(context);
  expect(asked[0]?.caller.principal).toEqual(user("ann"));
  expect(asked[1]?.need.facts).toEqual({ ...context, "aws:sourceip": undefined, "aws:securetransport": undefined });
  expect(asked[1]?.caller.principal).toEqual(user("bob"));
});

test("another account's policies cannot be tried out with facts of the asker's making", async () => {
  const { service, as, asked } = world({});
  const resource = repository("999988887777");
  const context = { "sts:externalid": "guess", "aws:sourceip": "10.0.0.1" };
  await service.ofDecision(as(user("ann")), { ...push, resource, context });
  await service.ofDecision(as(user("ann")), { principalArn: user("bob").arn, ...push, resource, context });
  expect(asked.map(({ need }) => need.facts?.["sts:externalid"])).toEqual([undefined, undefined]);
  expect(asked.map(({ need }) => need.facts?.["aws:sourceip"])).toEqual([undefined, undefined]);
});

test("a principal that is not there", async () => {
  const { service, as } = world({});
  const arn = `arn:aws:iam::${account}:user/nobody`;
  const asked = service.ofDecision(as(user("ann")), { principalArn: arn, ...push });
  await expect(asked).rejects.toMatchObject({ code: "NoSuchEntity", message: `The principal ${arn} does not exist` });
});

const denial: RecordedDenial = {
  requestId: "id-1",
  at: new Date(0),
  principalArn: user("bob").arn,
  ...push,
  decision: { allowed: false, because: "because of then", statement: layer("identity", "explicitDeny").statements[0] },
  facts: { "aws:sourceip": "10.0.0.9" },
};

test("a denial is explained to whom it met, with what was decided then and what would be now", async () => {
  const { service, as, asked } = world({ allowed: true, because: "because of now" }, {}, denial);
  expect(await service.ofDenial(as(user("bob")), "id-1")).toMatchObject({
    allowed: false,
    because: "because of then",
    statement: denial.decision.statement,
    requestId: "id-1",
    deniedAt: new Date(0),
    allowedNow: true,
  });
  expect(asked[0]?.need.facts?.["aws:sourceip"]).toBe("10.0.0.9");
});

test("a denial of somebody else's, to whom may not know of it, is as one that never was", async () => {
  const { service, as } = world({}, { [user("ann").arn]: [user("bob").arn] }, denial);
  const refusal = (id: string, principal: Principal) =>
    service.ofDenial(as(principal), id).then(
      () => "answered",
      ({ code, message }) => [code, message.replace(id, "ID")],
    );
  expect(await refusal("id-1", user("ann"))).toBe("answered");
  const never = await refusal("id-2", user("eve"));
  expect(never).toEqual(["NoSuchEntity", "There is no denial of a request ID"]);
  expect(await refusal("id-1", user("eve"))).toEqual(never);
  // One session of a role does not read another's.
  const session = user("eve", {
    kind: "role",
    arn: `arn:aws:sts::${account}:assumed-role/r/eve`,
    identityArn: user("bob").arn,
  });
  expect(await refusal("id-1", session)).toEqual(never);
});

test("whoever is gone has no policies", async () => {
  const gone = { ...denial, principalArn: user("carl").arn };
  const { service, as } = world({ allowed: true }, { [user("ann").arn]: [user("carl").arn] }, gone);
  expect(await service.ofDenial(as(user("ann")), "id-1")).toMatchObject({
    allowedNow: false,
    because: "because of then",
  });
});
