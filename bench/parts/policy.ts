import { compilePolicy } from "../../src/policy/compile.ts";
import { decide } from "../../src/policy/decide.ts";
import type { PolicyKind } from "../../src/policy/document.ts";
import type { Policies, Question } from "../../src/policy/question.ts";
import { type Bench, Samples } from "../bench.ts";

const account = "000000000000";
const user = `arn:aws:iam::${account}:user/ci`;
const repository = `arn:aws:ecr:us-east-1:${account}:repository/team/app`;

const pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:Describe*"];
const push = ["ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"];

/** What a CI user has: five statements with patterns, a variable and conditions. */
const usual = [
  { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
  { Effect: "Allow", Action: pull, Resource: `arn:aws:ecr:*:${account}:repository/*` },
  { Effect: "Allow", Action: push, Resource: `arn:aws:ecr:*:${account}:repository/\${aws:PrincipalTag/team}/*` },
  {
    Effect: "Deny",
    Action: "*",
    Resource: "*",
    Condition: { StringNotEquals: { "aws:RequestedRegion": "us-east-1" } },
  },
  { Effect: "Deny", Action: "ecr:*", Resource: "*", Condition: { Bool: { "aws:SecureTransport": "false" } } },
];
const others = Array.from({ length: 20 }, (_, index) => ({
  Effect: "Allow",
  Action: ["ecr:Batch*", "ecr:Get*"],
  Resource: `arn:aws:ecr:*:${account}:repository/other-${index}/*`,
  Condition: { IpAddress: { "aws:SourceIp": [`10.${index}.0.0/16`, "192.168.0.0/16"] } },
}));

function compile(kind: PolicyKind, statements: readonly object[]) {
  const text = JSON.stringify({ Version: "2012-10-17", Statement: statements });
  return compilePolicy(text, { kind, name: "bench" });
}

const small = (): Policies => ({ identity: [compile("identity", usual)], resource: [] });

/** Ten attached policies, a boundary, three levels of an organization, and a repository policy: 242 statements. */
const large = (): Policies => ({
  identity: [...Array.from({ length: 9 }, () => compile("identity", others)), compile("identity", usual)],
  boundary: [compile("boundary", [...others, ...usual])],
  serviceControl: Array.from({ length: 3 }, () => [compile("service-control", usual.slice(1))]),
  resource: [
    compile(
      "repository",
      others.map((statement) => ({ ...statement, Principal: { AWS: user } })),
    ),
  ],
});

const question: Question = {
  action: "ecr:PutImage",
  resource: repository,
  resourceAccount: account,
  principal: { kind: "user", account, arn: user, identityArn: user },
  context: new Map([
    ["aws:principaltag/team", "team"],
    ["aws:requestedregion", "us-east-1"],
    ["aws:securetransport", "true"],
    ["aws:sourceip", "10.3.0.1"],
  ]),
};

/** The engine alone, in this process: decisions about a push, and policies that are read for the first time. */
export async function measurePolicy(bench: Bench): Promise<void> {
  const samples = new Samples();
  const sets = { "one policy": small(), "large set": large() };
  for (const [name, policies] of Object.entries(sets)) {
    if (!decide(question, policies).allowed) throw new Error(`policy: the ${name} does not allow the push`);
  }
  for (let round = 1; round <= bench.options.rounds; round++) {
    bench.progress(`policy: round ${round} of ${bench.options.rounds}`);
    for (const [name, policies] of Object.entries(sets)) {
      const pace = perSecond(bench.options.seconds, () => decide(question, policies));
      samples.add(`policy decisions per second, ${name}`, "berth", pace);
    }
    const pace = perSecond(bench.options.seconds, () => compile("identity", usual));
    samples.add("policies compiled per second", "berth", pace);
  }
  samples.record(bench);
}

function perSecond(seconds: number, work: () => unknown): number {
  const batch = 200;
  const begun = performance.now();
  const end = begun + seconds * 1000;
  let done = 0;
  for (; performance.now() < end; done += batch) for (let index = 0; index < batch; index++) work();
  return done / ((performance.now() - begun) / 1000);
}
