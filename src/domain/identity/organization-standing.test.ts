import { afterEach, beforeEach, expect, test } from "bun:test";
import { compilePolicy } from "../../policy/compile.ts";
import { createAccess, type Granted, type Principal } from "../access.ts";
import { type AccountId, type Arn, parseRegion, type Region } from "../names.ts";
import { createAccounts } from "./accounts.ts";
import { rootPrincipal } from "./credentials.ts";
import {
  createOrganizationStandings,
  type OrganizationStandings,
  withResourceControl,
} from "./organization-standing.ts";
import { createOrganizations, type OrganizationService } from "./organizations.ts";
import { account, identityWorld, otherAccount, rootKey } from "./testing.ts";

/** Decisions that the organization bounds: the engine, the gate and the policies as they are kept. */

let world: Awaited<ReturnType<typeof identityWorld>>;
let policies: OrganizationStandings;
let organization: OrganizationService;
let rootId: string;
let unit: string;
let member: AccountId;

const region = parseRegion("us-east-1") as Region;
const arrival = { requestId: "r", sourceIp: "10.0.0.1", secureTransport: true, note() {} };
const by = (principal: Principal) => ({ caller: { ...arrival, principal } }) as unknown as Granted;
const management = by(rootPrincipal(account));
const text = (statement: object) => JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
const denyDelete = text({ Effect: "Deny", Action: "ecr:DeleteRepository", Resource: "*" });
const allowAll = text({ Effect: "Allow", Principal: "*", Action: "*", Resource: "*" });

beforeEach(async () => {
  let standings: OrganizationStandings["of"] = async () => ({ serviceControl: [], resourceControl: [] });
  world = await identityWorld({ organization: { of: (id) => standings(id) } });
  const { metadata, sealer, clock, principals } = world;
  policies = createOrganizationStandings({ metadata });
  standings = policies.of;
  await createAccounts({ metadata, sealer, configured: rootKey.account, clock }).ensureConfigured();
  const changed = () => {
    policies.changed();
    principals.changed();
  };
  organization = createOrganizations({ metadata, configured: account, clock, changed });
  rootId = (await organization.createOrganization(management)).organization.rootId;
  unit = (await organization.createUnit(management, rootId, "dev")).thing.id;
  member = await newMember("dev");
  await organization.moveAccount(management, member, rootId, unit);
});
afterEach(() => world.close());

async function newMember(name: string): Promise<AccountId> {
  const wanted = { name, email: `${name}@example.com`, roleName: "OrganizationAccountAccessRole" };
  const { account } = await organization.createAccount(management, wanted);
  return account?.id as AccountId;
}

async function newPolicy(document: string, type: "SERVICE_CONTROL_POLICY" | "RESOURCE_CONTROL_POLICY") {
  const { thing } = await organization.createPolicy(management, {
    type,
    name: crypto.randomUUID(),
    description: "",
    document,
  });
  return thing.id;
}

/** What the gate says of the action on a repository of `owner`, which everybody's resource policy allows or nobody's. */
async function decision(
  principal: Principal,
  action: `ecr:${string}`,
  owner = principal.account,
  resource: string[] = [],
) {
  const compiled = resource.map((document) =>
    compilePolicy(document, { kind: "repository", name: "repository policy" }),
  );
  const keepers = { of: async () => ({ resource: compiled, facts: {} }) };
  const resources = withResourceControl(keepers, policies);
  const access = createAccess({ principals: world.principals, resources, clock: world.clock });
  const arn = `arn:aws:ecr:${region}:${owner}:repository/app` as Arn;
  const { allowed, because } = await access.explain(
    { ...arrival, principal },
    { account: owner, region },
    { action, resource: arn },
  );
  return allowed ? "allowed" : because;
}

const denied = "with an explicit deny in a service control policy";

test("what a unit denies stops even the root users of its accounts, and not the management account's", async () => {
  const policy = await newPolicy(denyDelete, "SERVICE_CONTROL_POLICY");
  await organization.enablePolicyType(management, rootId, "SERVICE_CONTROL_POLICY");
  const root = rootPrincipal(member);
  expect(await decision(root, "ecr:DeleteRepository")).toBe("allowed");
  await organization.attachPolicy(management, policy, unit);
  expect(await decision(root, "ecr:DeleteRepository")).toBe(denied);
  expect(await decision(root, "ecr:PutImage")).toBe("allowed");
  expect(await decision(rootPrincipal(account), "ecr:DeleteRepository")).toBe("allowed");
  // Neither does it bound an account that hangs elsewhere.
  expect(await decision(rootPrincipal(await newMember("prod")), "ecr:DeleteRepository")).toBe("allowed");
  // At the root it bounds every member, and still not the management account.
  await organization.detachPolicy(management, policy, unit);
  await organization.attachPolicy(management, policy, rootId);
  expect(await decision(root, "ecr:DeleteRepository")).toBe(denied);
  expect(await decision(rootPrincipal(account), "ecr:DeleteRepository")).toBe("allowed");
  await organization.disablePolicyType(management, rootId, "SERVICE_CONTROL_POLICY");
  expect(await decision(root, "ecr:DeleteRepository")).toBe("allowed");
});

test("each level must allow, and moving elsewhere counts at once", async () => {
  await organization.enablePolicyType(management, rootId, "SERVICE_CONTROL_POLICY");
  const onlyPull = await newPolicy(
    text({ Effect: "Allow", Action: "ecr:BatchGetImage", Resource: "*" }),
    "SERVICE_CONTROL_POLICY",
  );
  await organization.attachPolicy(management, onlyPull, unit);
  await organization.detachPolicy(management, "p-FullAWSAccess", unit);
  const root = rootPrincipal(member);
  expect(await decision(root, "ecr:BatchGetImage")).toBe("allowed");
  expect(await decision(root, "ecr:PutImage")).toBe("because no service control policy allows the ecr:PutImage action");
  await organization.moveAccount(management, member, unit, rootId);
  expect(await decision(root, "ecr:PutImage")).toBe("allowed");
});

test("a resource control policy bounds who may reach an account's repositories, from wherever they come", async () => {
  await organization.enablePolicyType(management, rootId, "RESOURCE_CONTROL_POLICY");
  const onlyOurs = text({
    Effect: "Deny",
    Principal: "*",
    Action: "ecr:*",
    Resource: "*",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
    Condition: { StringNotEqualsIfExists: { "aws:PrincipalOrgID": "${aws:ResourceOrgID}" } },
  });
  const policy = await newPolicy(onlyOurs, "RESOURCE_CONTROL_POLICY");
  await organization.attachPolicy(management, policy, unit);
  await world.account(otherAccount);
  const stranger = rootPrincipal(otherAccount);
  expect(await decision(stranger, "ecr:BatchGetImage", member, [allowAll])).toBe(
    "with an explicit deny in a resource control policy",
  );
  const colleague = rootPrincipal(await newMember("prod"));
  expect(await decision(colleague, "ecr:BatchGetImage", member, [allowAll])).toBe("allowed");
  expect(await decision(rootPrincipal(member), "ecr:BatchGetImage")).toBe("allowed");
  // The management account's own repositories are not bounded.
  await organization.attachPolicy(management, policy, rootId);
  expect(await decision(stranger, "ecr:BatchGetImage", account, [allowAll])).toBe("allowed");
});

test("principals carry the organization and their path in it", async () => {
  const { organization: made } = await organization.describeOrganization(management);
  const place = async (id: AccountId) => {
    const { organizationId, organizationPath } = await policies.of(id);
    return [organizationId, organizationPath];
  };
  expect(await place(account)).toEqual([made.id, `${made.id}/${rootId}/`]);
  expect(await place(member)).toEqual([made.id, `${made.id}/${rootId}/${unit}/`]);
  await organization.removeAccount(management, member);
  expect(await place(member)).toEqual([undefined, undefined]);
  expect((await world.principals.of(rootPrincipal(account)))?.facts).toMatchObject({
    "aws:principalorgid": made.id,
    "aws:principalorgpaths": [`${made.id}/${rootId}/`],
  });
});

test("other processes see a change within a second", async () => {
  const others = createOrganizationStandings({ metadata: world.metadata });
  const policy = await newPolicy(denyDelete, "SERVICE_CONTROL_POLICY");
  expect((await others.of(member)).serviceControl).toEqual([]);
  await organization.enablePolicyType(management, rootId, "SERVICE_CONTROL_POLICY");
  await organization.attachPolicy(management, policy, member);
  const names = async () =>
    (await others.of(member)).serviceControl.map((level) => level.map(({ source }) => source.name).toSorted());
  await Bun.sleep(600);
  const [{ id }, all] = [
    (await organization.describeOrganization(management)).organization,
    "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess",
  ];
  expect(await names()).toEqual([
    [all],
    [all],
    [all, `arn:aws:organizations::${account}:policy/${id}/service_control_policy/${policy}`].toSorted(),
  ]);
});

test("an account whose unit has gone is bounded by nobody's guess", async () => {
  await organization.enablePolicyType(management, rootId, "SERVICE_CONTROL_POLICY");
  await world.change(({ organizations }) => organizations.deleteUnit(unit));
  policies.changed();
  await expect(policies.of(member)).rejects.toThrow("hangs on no root");
});
