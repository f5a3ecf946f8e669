import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { AllMetadata } from "../../storage/metadata/metadata.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import type { Caller } from "../access.ts";
import { refuse } from "../errors.ts";
import { rootPrincipal } from "../identity/credentials.ts";
import type { AccountId, Arn, Region, RepositoryName } from "../names.ts";
import { decisionParts, rootAccess } from "../testing.ts";
import type { CreationTemplate } from "./creation-template-ports.ts";
import { createRepositories } from "./repositories.ts";
import { createRepositoryMaking, type RepositoryMakerParts } from "./repository-maker.ts";
import { makingCauses } from "./repository-making.ts";
import { namespaceOf } from "./template-prefix.ts";

const now = new Date(Date.UTC(2030, 0, 1));
const clock = () => now;
const dayMs = 24 * 3_600_000;
const registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };
const caller: Caller = {
  principal: rootPrincipal(registry.account),
  requestId: "test",
  sourceIp: "127.0.0.1",
  secureTransport: true,
  note() {},
};
const stranger: Caller = { ...caller, principal: { ...caller.principal, kind: "user", arn: "arn:aws:iam::0:user/u" } };

let metadata: AllMetadata;
beforeEach(async () => {
  metadata = await openSqlite({ path: ":memory:" });
});
afterEach(() => metadata.close());

const makerOver = (parts: Partial<RepositoryMakerParts> = {}) =>
  createRepositoryMaking({
    metadata,
    repositories: createRepositories({ metadata, ...decisionParts(metadata), clock }),
    access: rootAccess(clock),
    assumeRole: async (role) => {
      throw refuse("AccessDenied", { principal: "ecr", action: "sts:AssumeRole", resource: role, because: "" });
    },
    everyMs: dayMs,
    createOnPush: false,
    ...parts,
  });

async function template(prefix: string, settings: Partial<CreationTemplate> = {}): Promise<void> {
  const made: CreationTemplate = {
    prefix,
    encryption: { type: "AES256" },
    tags: new Map(),
    tagMutability: "MUTABLE",
    exclusionFilters: [],
    appliedFor: makingCauses,
    createdAt: now,
    updatedAt: now,
    ...settings,
  };
  await metadata.transact(({ creationTemplates }) => creationTemplates.create(registry, namespaceOf(prefix), made));
}

const name = (text: string) => text as RepositoryName;
const find = (text: string) => metadata.read.repositories.find(registry, name(text));

describe("without a template", () => {
  for (const cause of ["PULL_THROUGH_CACHE", "REPLICATION"] as const) {
    test(`${cause} makes a repository with ECR's defaults, once`, async () => {
      const making = makerOver();
      const first = await making.ensure(caller, registry, name("a/b"), cause);
      expect(first?.made?.needs.map(({ action, resource }) => [action, resource])).toEqual([
        ["ecr:CreateRepository", "arn:aws:ecr:us-east-1:000000000000:repository/a/b"],
      ]);
      expect(first?.repository).toMatchObject({
        tagMutability: "MUTABLE",
        exclusionFilters: [],
        scanOnPush: false,
        encryption: { type: "AES256" },
      });
      const again = await making.ensure(caller, registry, name("a/b"), cause);
      expect([again?.repository.id, again?.made]).toEqual([first?.repository.id, undefined]);
    });
  }

  test("CREATE_ON_PUSH makes none, unless the server's setting says so", async () => {
    expect(await makerOver().ensure(caller, registry, name("a"), "CREATE_ON_PUSH")).toBeUndefined();
    expect(await find("a")).toBeUndefined();
    const eager = makerOver({ createOnPush: true });
    expect((await eager.ensure(caller, registry, name("a"), "CREATE_ON_PUSH"))?.made).toBeDefined();
    expect(await find("a")).toBeDefined();
  });
});

describe("the template", () => {
  test("is the longest that is for the cause, whatever the order in the database", async () => {
    const mutabilityOf = async (repository: string, cause: (typeof makingCauses)[number]) =>
      (await makerOver().ensure(caller, registry, name(repository), cause))?.repository.exclusionFilters[0];
    const labelled = (label: string, appliedFor: CreationTemplate["appliedFor"] = makingCauses) => ({
      tagMutability: "IMMUTABLE_WITH_EXCLUSION" as const,
      exclusionFilters: [label],
      appliedFor,
    });
    await template("ROOT", labelled("root"));
    await template("a", labelled("a"));
    await template("a/b/", labelled("a-b", ["REPLICATION"]));
    await template("a/b/c", labelled("a-b-c", ["PULL_THROUGH_CACHE"]));
    expect(await mutabilityOf("a/b/c/1", "PULL_THROUGH_CACHE")).toBe("a-b-c");
    expect(await mutabilityOf("a/b/c/2", "REPLICATION")).toBe("a-b");
    expect(await mutabilityOf("a/b/c/3", "CREATE_ON_PUSH")).toBe("a");
    expect(await mutabilityOf("a/b/c", "PULL_THROUGH_CACHE")).toBe("a");
    expect(await mutabilityOf("ab/c", "REPLICATION")).toBe("root");
    expect(await mutabilityOf("a", "REPLICATION")).toBe("root");
  });

  test("asks for no more than two permissions, and who lacks one makes nothing", async () => {
    await template("a", { tags: new Map([["Team", "core"]]), customRole: "arn:aws:iam::000000000000:role/r" as Arn });
    const making = makerOver({ assumeRole: async (_role, _registry, asking) => asking });
    const refused = making.ensure(stranger, registry, name("a/b"), "REPLICATION");
    await expect(refused).rejects.toMatchObject({ code: "AccessDenied" });
    expect(await find("a/b")).toBeUndefined();
    const { made } = (await making.ensure(caller, registry, name("a/b"), "REPLICATION")) ?? {};
    const facts = { "aws:requesttag/team": "core", "aws:tagkeys": ["Team"] };
    expect(made?.needs.map((need) => [need.action, need.facts])).toEqual([
      ["ecr:CreateRepository", facts],
      ["ecr:TagResource", facts],
    ]);
  });

  test("whose role cannot be taken on, or may not, makes nothing and names itself", async () => {
    await template("a", { customRole: "arn:aws:iam::000000000000:role/r" as Arn });
    const refusal = { code: "InvalidParameter", message: expect.stringContaining("with the prefix 'a' cannot be") };
    const making = makerOver();
    await expect(making.ensure(caller, registry, name("a/b"), "REPLICATION")).rejects.toMatchObject(refusal);
    const powerless = makerOver({ assumeRole: async () => stranger });
    await expect(powerless.ensure(caller, registry, name("a/b"), "REPLICATION")).rejects.toMatchObject(refusal);
    expect(await find("a/b")).toBeUndefined();
    // What fails for another reason is no answer about the role.
    const broken = makerOver({ assumeRole: () => Promise.reject(new Error("the database is away")) });
    await expect(broken.ensure(caller, registry, name("a/b"), "REPLICATION")).rejects.toThrow("the database is away");
    expect(await find("a/b")).toBeUndefined();
  });

  test("is followed wholly or not at all", async () => {
    const policy = { policy: "{}", bindings: new Map([["arn", "id"]]) };
    await template("a", { policy, lifecyclePolicy: '{"rules":[]}' });
    const failing: AllMetadata = {
      ...metadata,
      transact: (work, options) =>
        metadata.transact((nouns) => {
          const lifecyclePolicies = {
            ...nouns.lifecyclePolicies,
            put: () => Promise.reject(new Error("no more space")),
          };
          return work({ ...nouns, lifecyclePolicies });
        }, options),
    };
    const halfway = makerOver({
      repositories: createRepositories({ metadata: failing, ...decisionParts(metadata), clock }),
    });
    await expect(halfway.ensure(caller, registry, name("a/b"), "REPLICATION")).rejects.toThrow("no more space");
    expect(await find("a/b")).toBeUndefined();

    const { repository } = (await makerOver().ensure(caller, registry, name("a/b"), "REPLICATION")) ?? {};
    expect(repository).toMatchObject({ policy: policy.policy, policyBindings: policy.bindings });
    const stored = await metadata.read.lifecyclePolicies.find(repository?.id ?? 0);
    expect(stored).toMatchObject({ text: '{"rules":[]}', setBy: caller.principal.arn, setAt: now });
    const [schedule] = await metadata.read.schedules.list({ limit: 10 });
    expect(schedule).toMatchObject({ kind: "lifecycle.evaluate", everyMs: dayMs, key: String(repository?.id) });
  });

  test("makers at the same moment make one repository between them", async () => {
    await template("a");
    const making = makerOver();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => making.ensure(caller, registry, name("a/b"), "PULL_THROUGH_CACHE")),
    );
    expect(new Set(all.map((one) => one?.repository.id)).size).toBe(1);
    expect(all.filter((one) => one?.made).length).toBe(1);
  });
});
