import { afterEach, beforeEach, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-organizations";
import type { AccountId } from "../../domain/names.ts";
import { account, inProcess } from "../testing.ts";
import { errorOf, organizer, policyText, SERVICE_CONTROL_POLICY } from "./testing.ts";

let world: Awaited<ReturnType<typeof inProcess>>;
let client: sdk.OrganizationsClient;
let organize: ReturnType<typeof organizer>;
beforeEach(async () => {
  world = await inProcess();
  client = world.organizations;
  organize = organizer(client);
});
afterEach(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});

test("permissions are decided on the root, unit, account or policy that is named, and before it is looked at", async () => {
  const root = await organize.found();
  const unit = await organize.newUnit(root, "dev");
  const { Organization } = await client.send(new sdk.DescribeOrganizationCommand({}));
  const arn = (rest: string) => `arn:aws:organizations::${account}:${rest}`;
  const ops = await newUser("ops", [
    { Effect: "Allow", Action: "organizations:List*", Resource: unit.Arn },
    { Effect: "Allow", Action: "organizations:AttachPolicy", Resource: arn("policy/*") },
    {
      Effect: "Allow",
      Action: "organizations:CreatePolicy",
      Resource: "*",
      Condition: { StringEquals: { "organizations:PolicyType": "RESOURCE_CONTROL_POLICY" } },
    },
  ]);
  const refused = (action: string, resource: string) => [
    "AccessDeniedException",
    `User: arn:aws:iam::${account}:user/ops is not authorized to perform: organizations:${action} on resource: ${resource} because no identity-based policy allows the organizations:${action} action`,
  ];
  const under = (ParentId: string) => ops.send(new sdk.ListAccountsForParentCommand({ ParentId }));
  expect((await under(unit.Id)).Accounts).toEqual([]);
  const rootArn = arn(`root/${Organization?.Id}/${root}`);
  expect(await errorOf(under(root))).toEqual(refused("ListAccountsForParent", rootArn));
  // Neither answer tells whether there is such a unit or policy.
  const absent = `${unit.Id.slice(0, -8)}00000000`;
  const absentArn = arn(`ou/${Organization?.Id}/${absent}`);
  expect(await errorOf(under(absent))).toEqual(refused("ListAccountsForParent", absentArn));
  const describeAbsent = ops.send(new sdk.DescribePolicyCommand({ PolicyId: "p-00000000" }));
  const absentPolicy = arn(`policy/${Organization?.Id}/service_control_policy/p-00000000`);
  expect(await errorOf(describeAbsent)).toEqual(refused("DescribePolicy", absentPolicy));
  // A policy that may be attached needs a target that may take it.
  const PolicyId = await organize.newPolicy("no deletes");
  const attach = ops.send(new sdk.AttachPolicyCommand({ PolicyId, TargetId: unit.Id }));
  expect(await errorOf(attach)).toEqual(refused("AttachPolicy", unit.Arn));
  const write = (Type: sdk.PolicyType) =>
    ops.send(new sdk.CreatePolicyCommand({ Name: "n", Description: "", Content: "{}", Type }));
  expect(await errorOf(write(SERVICE_CONTROL_POLICY))).toEqual(refused("CreatePolicy", "*"));
  expect((await errorOf(write("RESOURCE_CONTROL_POLICY")))?.[0]).toBe("MalformedPolicyDocumentException");
});

/** A user of the management account. */
async function newUser(name: string, statements: object[]): Promise<sdk.OrganizationsClient> {
  const [accessKeyId, secret] = ["AKIAOPSOPSOPSOPSOPSO", "ops-secret"];
  await world.metadata.transact(async ({ identities, accessKeys }) => {
    const common = { account: account as AccountId, createdAt: new Date() };
    const user = { ...common, kind: "user" as const, path: "/", name, uniqueId: "AIDAOPS", tags: new Map() };
    const identityId = (await identities.create(user))?.id as number;
    await identities.putInlinePolicy(identityId, "own", policyText(...statements));
    const sealedSecret = world.sealer.seal("access-key", { accessKeyId, secret });
    await accessKeys.create({ ...common, accessKeyId, identityId, sealedSecret, status: "Active" });
  });
  return world.organizationsAs({ accessKeyId, secretAccessKey: secret });
}
