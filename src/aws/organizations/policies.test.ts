import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-organizations";
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

describe("policies", () => {
  test("that allow everything hang everywhere", async () => {
    const root = await organize.found();
    const unit = await organize.newUnit(root, "dev");
    const { AccountId } = await organize.newAccount("dev");
    for (const TargetId of [root, unit.Id, AccountId, account]) {
      for (const [Filter, id] of [
        [SERVICE_CONTROL_POLICY, "p-FullAWSAccess"],
        ["RESOURCE_CONTROL_POLICY", "p-RCPFullAWSAccess"],
      ] as const) {
        const { Policies } = await client.send(new sdk.ListPoliciesForTargetCommand({ TargetId, Filter }));
        expect(Policies).toMatchObject([{ Id: id, AwsManaged: true }]);
      }
    }
    const { Targets } = await client.send(new sdk.ListTargetsForPolicyCommand({ PolicyId: "p-FullAWSAccess" }));
    expect(Targets?.map(({ TargetId, Type, Name }) => [TargetId, Type, Name]).toSorted()).toEqual(
      [
        [root, "ROOT", "Root"],
        [unit.Id, "ORGANIZATIONAL_UNIT", "dev"],
        [AccountId, "ACCOUNT", "dev"],
        [account, "ACCOUNT", "root"],
      ].toSorted(),
    );
    const { Policy } = await client.send(new sdk.DescribePolicyCommand({ PolicyId: "p-FullAWSAccess" }));
    expect(Policy?.PolicySummary?.Arn).toBe("arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess");
    const remove = client.send(new sdk.DeletePolicyCommand({ PolicyId: "p-FullAWSAccess" }));
    expect((await errorOf(remove))?.[2]).toBe("IMMUTABLE_POLICY");
    const tags = await client.send(new sdk.ListTagsForResourceCommand({ ResourceId: root }));
    expect(tags.Tags).toEqual([]);
    const others = await client.send(new sdk.ListPoliciesCommand({ Filter: "TAG_POLICY" }));
    expect(others.Policies).toEqual([]);
    const services = await client.send(new sdk.ListAWSServiceAccessForOrganizationCommand({}));
    expect(services.EnabledServicePrincipals).toEqual([]);
    const administrators = await client.send(new sdk.ListDelegatedAdministratorsCommand({}));
    expect(administrators.DelegatedAdministrators).toEqual([]);
  });

  test("are written, changed and deleted", async () => {
    await organize.found();
    const id = await organize.newPolicy("no deletes");
    expect(id).toMatch(/^p-[a-z0-9]{8}$/);
    expect(await errorOf(organize.newPolicy("no deletes"))).toEqual([
      "DuplicatePolicyException",
      "A policy with the specified name and type already exists.",
    ]);
    expect(await errorOf(organize.newPolicy("bad", "{}"))).toEqual([
      "MalformedPolicyDocumentException",
      "The provided policy document does not meet the requirements of the specified policy type.",
    ]);
    const long = policyText({ Effect: "Deny", Action: "ecr:*", Resource: "*", Sid: "x".repeat(5_120) });
    expect((await errorOf(organize.newPolicy("long", long)))?.[2]).toBe("POLICY_CONTENT_LIMIT_EXCEEDED");
    const Content = policyText({ Effect: "Deny", Action: "ecr:PutImage", Resource: "*" });
    const update = { PolicyId: id, Name: "renamed", Description: "d", Content };
    const { Policy } = await client.send(new sdk.UpdatePolicyCommand(update));
    expect(Policy).toMatchObject({
      Content,
      PolicySummary: { Id: id, Name: "renamed", Description: "d", AwsManaged: false },
    });
    const { Policies } = await client.send(new sdk.ListPoliciesCommand({ Filter: SERVICE_CONTROL_POLICY }));
    expect(Policies?.map(({ Name }) => Name).toSorted()).toEqual(["FullAWSAccess", "renamed"]);
    await client.send(new sdk.DeletePolicyCommand({ PolicyId: id }));
    expect(await errorOf(client.send(new sdk.DescribePolicyCommand({ PolicyId: id })))).toEqual([
      "PolicyNotFoundException",
      "You specified a policy that doesn't exist.",
    ]);
    const type = { Name: "n", Description: "", Content, Type: "TAG_POLICY" as const };
    expect((await errorOf(client.send(new sdk.CreatePolicyCommand(type))))?.[0]).toBe(
      "PolicyTypeNotAvailableForOrganizationException",
    );
  });

  test("hang where they are attached, while their type is switched on", async () => {
    const RootId = await organize.found();
    const PolicyType = SERVICE_CONTROL_POLICY;
    const ids = [];
    for (const name of ["a", "b", "c", "d", "e"]) ids.push(await organize.newPolicy(name));
    const [a = "", , , , e = ""] = ids;
    const attach = (PolicyId: string, TargetId = RootId) =>
      client.send(new sdk.AttachPolicyCommand({ PolicyId, TargetId }));
    const detach = (PolicyId: string, TargetId = RootId) =>
      client.send(new sdk.DetachPolicyCommand({ PolicyId, TargetId }));
    const attached = async () => {
      const input = { TargetId: RootId, Filter: PolicyType };
      const { Policies = [] } = await client.send(new sdk.ListPoliciesForTargetCommand(input));
      return Policies.map(({ Id }) => Id);
    };
    expect(await errorOf(attach(a))).toEqual([
      "PolicyTypeNotEnabledException",
      "This operation can be performed only for enabled policy types.",
    ]);
    const { Root } = await client.send(new sdk.EnablePolicyTypeCommand({ RootId, PolicyType }));
    expect(Root?.PolicyTypes).toEqual([{ Type: PolicyType, Status: "ENABLED" }]);
    expect(await errorOf(client.send(new sdk.EnablePolicyTypeCommand({ RootId, PolicyType })))).toEqual([
      "PolicyTypeAlreadyEnabledException",
      "The specified policy type is already enabled.",
    ]);
    const elsewhere = client.send(new sdk.EnablePolicyTypeCommand({ RootId: "r-0000", PolicyType }));
    expect((await errorOf(elsewhere))?.[0]).toBe("RootNotFoundException");
    expect((await errorOf(attach(a, "999999999999")))?.[0]).toBe("TargetNotFoundException");
    expect((await errorOf(attach("p-00000000")))?.[0]).toBe("PolicyNotFoundException");
    for (const id of ids.slice(0, 4)) await attach(id);
    expect((await errorOf(attach(a)))?.[0]).toBe("DuplicatePolicyAttachmentException");
    expect((await errorOf(attach(e)))?.[2]).toBe("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
    expect((await errorOf(client.send(new sdk.DeletePolicyCommand({ PolicyId: a }))))?.[0]).toBe(
      "PolicyInUseException",
    );
    await detach("p-FullAWSAccess");
    for (const id of ids.slice(1, 4)) await detach(id);
    expect(await errorOf(detach(a))).toEqual([
      "ConstraintViolationException",
      "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.",
      "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
    ]);
    expect((await errorOf(detach(e)))?.[0]).toBe("PolicyNotAttachedException");
    expect((await errorOf(detach("p-RCPFullAWSAccess")))?.[2]).toBe("NON_DETACHABLE_POLICY");
    expect(await attached()).toEqual([a]);

    await client.send(new sdk.DisablePolicyTypeCommand({ RootId, PolicyType }));
    expect(await attached()).toEqual(["p-FullAWSAccess"]);
    expect((await errorOf(client.send(new sdk.DisablePolicyTypeCommand({ RootId, PolicyType }))))?.[0]).toBe(
      "PolicyTypeNotEnabledException",
    );
  });
});
