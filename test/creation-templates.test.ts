import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  CreateRepositoryCommand,
  CreateRepositoryCreationTemplateCommand,
  type CreateRepositoryCreationTemplateCommandInput,
  DeleteRegistryPolicyCommand,
  DeleteRepositoryCreationTemplateCommand,
  DescribeRepositoriesCommand,
  DescribeRepositoryCreationTemplatesCommand,
  GetLifecyclePolicyCommand,
  GetRepositoryPolicyCommand,
  InitiateLayerUploadCommand,
  ListTagsForResourceCommand,
  PutImageCommand,
  PutRegistryPolicyCommand,
  type RepositoryCreationTemplate,
  UpdateRepositoryCreationTemplateCommand,
} from "@aws-sdk/client-ecr";
import { CreateRoleCommand, DeleteRolePolicyCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { GetSessionTokenCommand } from "@aws-sdk/client-sts";
import { account, digestOf, host, type InProcess, inProcess, mediaTypes, region } from "./support/berth.ts";
import { allow, noticed } from "./support/people.ts";

let berth: InProcess;
beforeAll(async () => {
  berth = await inProcess();
});
afterAll(() => berth.close());

type Template = Omit<CreateRepositoryCreationTemplateCommandInput, "appliedFor"> &
  Partial<Pick<CreateRepositoryCreationTemplateCommandInput, "appliedFor">>;

const create = (template: Template) =>
  berth.ecr().send(new CreateRepositoryCreationTemplateCommand({ appliedFor: ["CREATE_ON_PUSH"], ...template }));
const describeThem = (...prefixes: string[]) =>
  berth.ecr().send(new DescribeRepositoryCreationTemplatesCommand({ prefixes }));
const remove = (prefix: string) => berth.ecr().send(new DeleteRepositoryCreationTemplateCommand({ prefix }));
const repository = async (name: string) => {
  const { repositories = [] } = await berth.ecr().send(new DescribeRepositoriesCommand({ repositoryNames: [name] }));
  return repositories[0];
};
const isThere = (name: string) =>
  repository(name).then(
    () => true,
    ({ name: error }) => {
      expect(error).toBe("RepositoryNotFoundException");
      return false;
    },
  );
const tagsOf = async (resourceArn = "") => {
  const { tags = [] } = await berth.ecr().send(new ListTagsForResourceCommand({ resourceArn }));
  return tags;
};

const begin = (name: string) => berth.oci("POST", `/v2/${name}/blobs/uploads/`);
async function codeOf(answer: Response): Promise<{ status: number; code: string; message: string }> {
  const { errors } = (await answer.json()) as { errors: [{ code: string; message: string }] };
  return { status: answer.status, ...errors[0] };
}

const lifecyclePolicy = JSON.stringify({
  rules: [
    {
      rulePriority: 1,
      selection: { tagStatus: "untagged", countType: "imageCountMoreThan", countNumber: 3 },
      action: { type: "expire" },
    },
  ],
});
const policyOf = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const repositoryPolicy = policyOf({
  Sid: "Readers",
  Effect: "Allow",
  Principal: "*",
  Action: ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
});

/** A role that the registry may take on, with these identity policies. */
async function role(name: string, policy?: object, service = "ecr.amazonaws.com"): Promise<string> {
  const trust = policyOf({ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" });
  const { Role } = await berth.iam().send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: trust }));
  if (policy) await allowRole(name, policy);
  return Role?.Arn ?? "";
}
const allowRole = (name: string, policy: object) =>
  berth
    .iam()
    .send(new PutRolePolicyCommand({ RoleName: name, PolicyName: "own", PolicyDocument: JSON.stringify(policy) }));

describe("templates", () => {
  const whole: RepositoryCreationTemplate = {
    prefix: "whole/thing",
    description: "for whole things",
    encryptionConfiguration: { encryptionType: "KMS", kmsKey: `arn:aws:kms:us-east-1:${account}:key/0-1` },
    resourceTags: [{ Key: "team", Value: "core" }],
    imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
    imageTagMutabilityExclusionFilters: [{ filterType: "WILDCARD", filter: "dev-*" }],
    repositoryPolicy,
    lifecyclePolicy,
    appliedFor: ["REPLICATION", "CREATE_ON_PUSH"],
    customRoleArn: `arn:aws:iam::${account}:role/service/maker`,
  };

  test("is created, described, changed and deleted", async () => {
    const { registryId, repositoryCreationTemplate: made } = await create(whole as Template);
    const { createdAt, updatedAt, ...others } = made ?? {};
    expect(registryId).toBe(account);
    expect(others).toEqual(whole);
    expect(updatedAt).toEqual(createdAt as Date);
    const described = await describeThem("whole/thing");
    expect(described).toMatchObject({ registryId: account, repositoryCreationTemplates: [made as object] });

    berth.now = new Date(berth.now.getTime() + 60_000);
    const change = { prefix: "whole/thing", imageTagMutability: "MUTABLE", repositoryPolicy: "" } as const;
    const { repositoryCreationTemplate: changed } = await berth
      .ecr()
      .send(new UpdateRepositoryCreationTemplateCommand(change));
    const { imageTagMutabilityExclusionFilters, repositoryPolicy: gone, ...kept } = made ?? {};
    expect(changed).toEqual({ ...kept, imageTagMutability: "MUTABLE", updatedAt: changed?.updatedAt });
    expect(changed?.updatedAt?.getTime()).toBe((createdAt as Date).getTime() + 60_000);

    const cleared = {
      prefix: "whole/thing",
      description: "",
      lifecyclePolicy: "",
      customRoleArn: "",
      resourceTags: [],
      appliedFor: ["PULL_THROUGH_CACHE" as const],
      encryptionConfiguration: { encryptionType: "AES256" as const, kmsKey: "" },
    };
    await berth.ecr().send(new UpdateRepositoryCreationTemplateCommand(cleared));
    const [bare] = (await describeThem("whole/thing")).repositoryCreationTemplates ?? [];
    expect({ ...bare, createdAt, updatedAt }).toEqual({
      prefix: "whole/thing",
      encryptionConfiguration: { encryptionType: "AES256" },
      imageTagMutability: "MUTABLE",
      appliedFor: ["PULL_THROUGH_CACHE"],
      createdAt,
      updatedAt,
    });

    expect(await remove("whole/thing")).toMatchObject({ repositoryCreationTemplate: { prefix: "whole/thing" } });
    expect((await describeThem("whole/thing")).repositoryCreationTemplates).toEqual([]);
    const missing = { name: "TemplateNotFoundException" };
    await expect(remove("whole/thing")).rejects.toMatchObject(missing);
    await expect(berth.ecr().send(new UpdateRepositoryCreationTemplateCommand(change))).rejects.toMatchObject(missing);
  });

  test("a prefix has an implied slash, so both ways of writing it are one template", async () => {
    await create({ prefix: "slash/" });
    await expect(create({ prefix: "slash" })).rejects.toMatchObject({
      name: "TemplateAlreadyExistsException",
      message: expect.stringContaining("'slash'"),
    });
    expect((await describeThem("slash")).repositoryCreationTemplates).toMatchObject([{ prefix: "slash/" }]);
    await remove("slash");
  });

  test("are listed in pages, and there can be 50 of them", async () => {
    const other = await inProcess();
    try {
      const send = other.ecr();
      const named = (prefix: string) =>
        send.send(new CreateRepositoryCreationTemplateCommand({ prefix, appliedFor: ["REPLICATION"] }));
      const prefixes = Array.from({ length: 50 }, (_, index) => `page${String(index).padStart(2, "0")}`);
      for (const prefix of [...prefixes].reverse()) await named(prefix);
      await expect(named("more")).rejects.toMatchObject({ name: "LimitExceededException" });
      await expect(named("page00")).rejects.toMatchObject({ name: "TemplateAlreadyExistsException" });
      const listed: (string | undefined)[] = [];
      for (let nextToken: string | undefined, pages = 0; pages === 0 || nextToken; pages++) {
        const page = await send.send(new DescribeRepositoryCreationTemplatesCommand({ maxResults: 20, nextToken }));
        expect(page.repositoryCreationTemplates?.length).toBe(pages < 2 ? 20 : 10);
        listed.push(...(page.repositoryCreationTemplates ?? []).map(({ prefix }) => prefix));
        nextToken = page.nextToken;
      }
      expect(listed).toEqual(prefixes);
      await expect(
        send.send(new DescribeRepositoryCreationTemplatesCommand({ nextToken: "nonsense" })),
      ).rejects.toMatchObject({ name: "InvalidParameterException" });
    } finally {
      await other.close();
    }
  });

  const tooMany = Array.from({ length: 51 }, (_, index) => ({ Key: `k${index}`, Value: "v" }));
  const cases: [what: string, template: object, error: string, message: string][] = [
    ["a prefix with capitals", { prefix: "Team" }, "InvalidParameter", "'prefix' failed to satisfy constraint"],
    ["a prefix that begins with a slash", { prefix: "/team" }, "InvalidParameter", "regular expression pattern"],
    ["a prefix that is too long", { prefix: "a".repeat(257) }, "InvalidParameter", "length less than or equal to 256"],
    ["a long description", { description: "x".repeat(257) }, "InvalidParameter", "less than or equal to 256"],
    ["no cause", { appliedFor: [] }, "InvalidParameter", "length greater than or equal to 1"],
    [
      "an unknown cause",
      { appliedFor: ["PULL"] },
      "InvalidParameter",
      "enum value set: [REPLICATION, PULL_THROUGH_CACHE, CREATE_ON_PUSH]",
    ],
    [
      "an unknown encryption",
      { encryptionConfiguration: { encryptionType: "NONE" } },
      "InvalidParameter",
      "enum value set: [AES256, KMS, KMS_DSSE]",
    ],
    [
      "a key's alias",
      { encryptionConfiguration: { encryptionType: "KMS", kmsKey: "alias/mine" } },
      "InvalidParameter",
      "'encryptionConfiguration.kmsKey'",
    ],
    [
      "a key that nothing uses",
      { encryptionConfiguration: { encryptionType: "AES256", kmsKey: `arn:aws:kms:us-east-1:${account}:key/0-1` } },
      "InvalidParameter",
      "kmsKey cannot be set",
    ],
    ["reserved tags", { resourceTags: [{ Key: "aws:x", Value: "" }] }, "InvalidParameter", "reserved for system use"],
    ["many tags", { resourceTags: tooMany }, "InvalidParameter", "'resourceTags'"],
    [
      "filters of no use",
      { imageTagMutabilityExclusionFilters: [{ filterType: "WILDCARD", filter: "v*" }] },
      "InvalidParameter",
      "must be null when imageTagMutability is set as MUTABLE",
    ],
    [
      "no filters where some are needed",
      { imageTagMutability: "IMMUTABLE_WITH_EXCLUSION" },
      "InvalidParameter",
      "can't be null",
    ],
    ["a bad policy", { repositoryPolicy: "{}" }, "InvalidParameter", "Invalid repository policy provided"],
    [
      "a policy about nobody",
      {
        repositoryPolicy: policyOf({
          Effect: "Allow",
          Principal: { AWS: `arn:aws:iam::${account}:user/nobody` },
          Action: "ecr:*",
        }),
      },
      "InvalidParameter",
      "Invalid repository policy provided",
    ],
    ["a long policy", { repositoryPolicy: " ".repeat(10_241) }, "InvalidParameter", "less than or equal to 10240"],
    ["a bad lifecycle policy", { lifecyclePolicy: '{"rules":[]}' }, "InvalidParameter", "'lifecyclePolicy'"],
    ["a user for a role", { customRoleArn: `arn:aws:iam::${account}:user/u` }, "InvalidParameter", "'customRoleArn'"],
    ["another account's role", { customRoleArn: "arn:aws:iam::999988887777:role/r" }, "Validation", "the account of"],
  ];
  for (const [what, template, name, message] of cases) {
    test(`${what} is refused, when it is made and when it is changed`, async () => {
      const refused = { name: `${name}Exception`, message: expect.stringContaining(message) };
      await expect(create({ prefix: "bad", ...template })).rejects.toMatchObject(refused);
      await create({ prefix: "bad" });
      const change = new UpdateRepositoryCreationTemplateCommand({ prefix: "bad", ...template });
      await expect(berth.ecr().send(change)).rejects.toMatchObject(refused);
      await remove("bad");
    });
  }

  test("whoever writes one must be allowed what is made by it", async () => {
    const { customRoleArn, encryptionConfiguration, ...others } = whole;
    const template = { ...others, prefix: "mine", customRoleArn: `arn:aws:iam::${account}:role/passed` } as Template;
    const actions = ["CreateRepository", "PutLifecyclePolicy", "SetRepositoryPolicy"].map((action) => `ecr:${action}`);
    const under = `arn:aws:ecr:us-east-1:${account}:repository/mine/*`;
    const all: [action: string, resource: string][] = [
      ["ecr:CreateRepositoryCreationTemplate", "*"],
      ...actions.map((action): [string, string] => [action, under]),
      ["iam:PassRole", template.customRoleArn ?? ""],
    ];
    const command = new CreateRepositoryCreationTemplateCommand(
      template as CreateRepositoryCreationTemplateCommandInput,
    );
    for (const [index, [missing, resource]] of all.entries()) {
      const policies = all.filter(([action]) => action !== missing).map(([action, on]) => allow(action, on));
      const { ...keys } = await berth.crowd.user(account, `writer${index}`, ...policies);
      const message = expect.stringContaining(`not authorized to perform: ${missing} on resource: ${resource}`);
      await expect(berth.ecrAs(keys).send(command)).rejects.toMatchObject({ name: "AccessDeniedException", message });
    }
    const passing = { StringEquals: { "iam:PassedToService": "ecr.amazonaws.com" } };
    const policies = all.map(([action, on]) => allow(action, on, action === "iam:PassRole" ? passing : undefined));
    const writer = await berth.crowd.user(account, "writer", ...policies);
    await berth.ecrAs(writer).send(command);
    await remove("mine");
  });
});

describe("a push", () => {
  test("into what is not there makes it by the longest prefix, and not beside one", async () => {
    await create({ prefix: "app", imageTagMutability: "IMMUTABLE", repositoryPolicy, lifecyclePolicy });
    await create({
      prefix: "app/team/",
      imageTagMutability: "MUTABLE_WITH_EXCLUSION",
      imageTagMutabilityExclusionFilters: [{ filterType: "WILDCARD", filter: "v*" }],
    });
    await create({ prefix: "app/team/cache", appliedFor: ["PULL_THROUGH_CACHE"], imageTagMutability: "IMMUTABLE" });

    await berth.pushImage("app/api", "v1", "content");
    expect(await repository("app/api")).toMatchObject({ imageTagMutability: "IMMUTABLE" });
    const named = { repositoryName: "app/api" };
    const { policyText } = await berth.ecr().send(new GetRepositoryPolicyCommand(named));
    expect(policyText).toBe(repositoryPolicy);
    const { lifecyclePolicyText } = await berth.ecr().send(new GetLifecyclePolicyCommand(named));
    expect(lifecyclePolicyText).toBe(lifecyclePolicy);
    const schedules = await berth.stores.metadata.read.schedules.list({ limit: 100 });
    expect(schedules.map(({ kind, payload }) => [kind, JSON.parse(payload).name])).toContainEqual([
      "lifecycle.evaluate",
      "app/api",
    ]);

    await berth.pushImage("app/team/x", "v1", "content");
    expect(await repository("app/team/x")).toMatchObject({
      imageTagMutability: "MUTABLE_WITH_EXCLUSION",
      imageTagMutabilityExclusionFilters: [{ filterType: "WILDCARD", filter: "v*" }],
    });
    await berth.pushImage("app/team/cache/x", "v1", "content");
    expect(await repository("app/team/cache/x")).toMatchObject({ imageTagMutability: "MUTABLE_WITH_EXCLUSION" });

    for (const beside of ["app", "apps/x", "other/app/x"]) {
      const { status, code, message } = await codeOf(await begin(beside));
      expect([status, code]).toEqual([404, "NAME_UNKNOWN"]);
      expect(message).toBe(`The repository with name '${beside}' does not exist in the registry with id '${account}'`);
      expect(await isThere(beside)).toBe(false);
    }
    for (const prefix of ["app", "app/team", "app/team/cache"]) await remove(prefix);
  });

  test("falls back to ROOT, which is for pushes only where it says so", async () => {
    await create({ prefix: "ROOT", appliedFor: ["REPLICATION"] });
    expect((await begin("rooted")).status).toBe(404);
    const update = {
      prefix: "ROOT",
      appliedFor: ["CREATE_ON_PUSH" as const],
      imageTagMutability: "IMMUTABLE" as const,
    };
    await berth.ecr().send(new UpdateRepositoryCreationTemplateCommand(update));
    expect((await begin("rooted")).status).toBe(202);
    expect(await repository("rooted")).toMatchObject({ imageTagMutability: "IMMUTABLE" });
    await create({ prefix: "deep" });
    expect((await begin("deep/er")).status).toBe(202);
    expect(await repository("deep/er")).toMatchObject({ imageTagMutability: "MUTABLE" });
    await remove("ROOT");
    await remove("deep");
  });

  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] });
  const ways: [how: string, push: (name: string) => Response | Promise<Response>, status: number][] = [
    ["that begins an upload", begin, 202],
    [
      "of a blob in one request",
      (name) => berth.oci("POST", `/v2/${name}/blobs/uploads/?digest=${digestOf("x")}`, { body: "x" }),
      201,
    ],
    [
      "that mounts",
      (name) => berth.oci("POST", `/v2/${name}/blobs/uploads/?mount=${digestOf("x")}&from=no/where`),
      202,
    ],
    [
      "of a manifest",
      (name) =>
        berth.oci("PUT", `/v2/${name}/manifests/v1`, { headers: { "content-type": mediaTypes.index }, body: manifest }),
      201,
    ],
  ];
  for (const [index, [how, push, status]] of ways.entries()) {
    test(`${how} makes the repository, once, and it is on record`, async () => {
      await create({ prefix: "ways" });
      const name = `ways/w${index}`;
      const answers = await Promise.all(Array.from({ length: 8 }, () => push(name)));
      expect(answers.map((answer) => answer.status)).toEqual(Array(8).fill(status));
      const created = (await berth.records()).filter(
        ({ eventName, requestParameters }) =>
          eventName === "CreateRepository" && (requestParameters as { repositoryName: string }).repositoryName === name,
      );
      expect(created.length).toBe(1);
      await remove("ways");
    });
  }

  test("into what is there asks the database as often as without templates", async () => {
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "plain" }));
    const pushes = async () => {
      await begin("plain");
      const before = berth.queries;
      expect((await begin("plain")).status).toBe(202);
      return berth.queries - before;
    };
    const without = await pushes();
    await create({ prefix: "ROOT" });
    expect(await pushes()).toBe(without);
    await remove("ROOT");
  });

  test("through the AWS API makes nothing", async () => {
    await create({ prefix: "api" });
    const missing = { name: "RepositoryNotFoundException" };
    const initiate = new InitiateLayerUploadCommand({ repositoryName: "api/x" });
    await expect(berth.ecr().send(initiate)).rejects.toMatchObject(missing);
    const put = new PutImageCommand({ repositoryName: "api/x", imageManifest: manifest });
    await expect(berth.ecr().send(put)).rejects.toMatchObject(missing);
    await remove("api");
  });

  test("CreateRepository goes by no template", async () => {
    await create({ prefix: "named", imageTagMutability: "IMMUTABLE" });
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "named/x" }));
    expect(await repository("named/x")).toMatchObject({ imageTagMutability: "MUTABLE" });
    await remove("named");
  });

  test("without createOnPush and without a template leaves a name as it is; with the setting templates still count", async () => {
    const eager = await inProcess({ createOnPush: true });
    try {
      await eager.ecr().send(
        new CreateRepositoryCreationTemplateCommand({
          prefix: "firm",
          imageTagMutability: "IMMUTABLE",
          appliedFor: ["CREATE_ON_PUSH"],
        }),
      );
      await eager.pushImage("firm/x", "v1", "content");
      await eager.pushImage("loose", "v1", "content");
      const { repositories = [] } = await eager.ecr().send(new DescribeRepositoriesCommand({}));
      expect(repositories.map((one) => [one.repositoryName, one.imageTagMutability])).toEqual([
        ["firm/x", "IMMUTABLE"],
        ["loose", "MUTABLE"],
      ]);
    } finally {
      await eager.close();
    }
  });
});

describe("permission", () => {
  const pushing = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"];

  test("to push is not enough: whoever pushes must be allowed to create the repository", async () => {
    await create({ prefix: "gate" });
    const pusher = await berth.crowd.user(account, "pusher", allow(pushing));
    const denied = await codeOf(await berth.ociAs(pusher, "POST", "/v2/gate/x/blobs/uploads/"));
    expect(denied).toMatchObject({
      status: 403,
      code: "DENIED",
      message: expect.stringContaining(
        `not authorized to perform: ecr:CreateRepository on resource: arn:aws:ecr:us-east-1:${account}:repository/gate/x`,
      ),
    });
    expect(await isThere("gate/x")).toBe(false);
    // Whoever may not push learns nothing, be there a repository, a template or neither.
    const nobody = await berth.crowd.user(account, "nobody", allow("ecr:CreateRepository"));
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "gate/there" }));
    for (const name of ["gate/x", "gate/there", "nogate/x"]) {
      const answer = await codeOf(await berth.ociAs(nobody, "POST", `/v2/${name}/blobs/uploads/`));
      expect(answer).toMatchObject({ status: 403, code: "DENIED" });
      expect(answer.message).toContain("ecr:InitiateLayerUpload");
    }
    expect(await isThere("gate/x")).toBe(false);
    await remove("gate");
  });

  test("to tag is needed for a template with tags, and policies see the tags", async () => {
    const customRoleArn = await role("tagger", allow(["ecr:CreateRepository", "ecr:TagResource"]));
    await create({ prefix: "tagged", resourceTags: [{ Key: "team", Value: "core" }], customRoleArn });
    const upload = (who: Parameters<InProcess["ociAs"]>[0]) =>
      berth.ociAs(who, "POST", "/v2/tagged/x/blobs/uploads/").then((answer) => answer.status);
    const creator = await berth.crowd.user(account, "creator", allow([...pushing, "ecr:CreateRepository"]));
    expect(await upload(creator)).toBe(403);
    const both = ["ecr:CreateRepository", "ecr:TagResource"];
    const ofTeam = (team: string) => ({ StringEquals: { "aws:RequestTag/team": team } });
    const other = await berth.crowd.user(account, "other", allow(pushing), allow(both, "*", ofTeam("edge")));
    expect(await upload(other)).toBe(403);
    expect(await isThere("tagged/x")).toBe(false);
    const own = await berth.crowd.user(account, "own", allow(pushing), allow(both, "*", ofTeam("core")));
    expect(await upload(own)).toBe(202);
    expect(await tagsOf((await repository("tagged/x"))?.repositoryArn)).toEqual([{ Key: "team", Value: "core" }]);
    await remove("tagged");
  });

  test("of another account comes from the registry's policy, for the repository that is made as for the push", async () => {
    await create({ prefix: "guests" });
    const guest = await berth.crowd.user("999988887777", "guest", allow("ecr:*"));
    const open = (...actions: string[]) => {
      const [Principal, Resource] = [{ AWS: "999988887777" }, "*"];
      const policyText = policyOf({ Effect: "Allow", Principal, Action: actions, Resource });
      return berth.ecr().send(new PutRegistryPolicyCommand({ policyText }));
    };
    const push = () =>
      berth.ociAs(guest, "POST", "/v2/guests/x/blobs/uploads/", {
        headers: { host: `${account}.dkr.ecr.${region}.${host}` },
      });
    expect((await push()).status).toBe(403);
    await open(...pushing);
    const denied = await codeOf(await push());
    expect([denied.status, denied.message]).toEqual([403, expect.stringContaining("ecr:CreateRepository")]);
    expect(await isThere("guests/x")).toBe(false);
    await open(...pushing, "ecr:CreateRepository");
    expect((await push()).status).toBe(202);
    expect(await isThere("guests/x")).toBe(true);
    await berth.ecr().send(new DeleteRegistryPolicyCommand({}));
    await remove("guests");
  });

  test("is asked for anew once the repository is there: its policy counts from the first moment", async () => {
    const Action = "ecr:InitiateLayerUpload";
    await create({
      prefix: "closed",
      repositoryPolicy: policyOf({ Effect: "Deny", Principal: "*", Action }),
    });
    const answer = await codeOf(await begin("closed/x"));
    expect(answer).toMatchObject({ status: 403, code: "DENIED" });
    expect(answer.message).toContain("explicit deny in a resource-based policy");
    expect(await isThere("closed/x")).toBe(true);
    await remove("closed");
  });
});

describe("the role of a template", () => {
  const refusal = async (name: string) => {
    const answer = await codeOf(await begin(name));
    expect([answer.status, answer.code]).toEqual([400, "UNSUPPORTED"]);
    expect(await isThere(name)).toBe(false);
    return answer.message;
  };
  const tagged = { resourceTags: [{ Key: "team", Value: "core" }] };

  test("must be there for tags and keys", async () => {
    await create({ prefix: "roleless", ...tagged });
    expect(await refusal("roleless/x")).toContain("has no role");
    await remove("roleless");
    await create({ prefix: "roleless", encryptionConfiguration: { encryptionType: "KMS" } });
    expect(await refusal("roleless/x")).toContain("has no role");
    await remove("roleless");
  });

  test("must exist, trust the registry and be allowed", async () => {
    const arn = `arn:aws:iam::${account}:role/late`;
    await create({ prefix: "late", ...tagged, customRoleArn: arn });
    expect(await refusal("late/x")).toContain(arn);
    await role("late", undefined, "ec2.amazonaws.com");
    await noticed();
    expect(await refusal("late/x")).toContain("sts:AssumeRole");
    await remove("late");

    await create({ prefix: "early", ...tagged, customRoleArn: await role("early") });
    expect(await refusal("early/x")).toContain(
      "assumed-role/early/ecr is not authorized to perform: ecr:CreateReposit",
    );
    await allowRole("early", allow("ecr:CreateRepository"));
    await noticed();
    expect(await refusal("early/x")).toContain("ecr:TagResource");
    await allowRole("early", allow(["ecr:CreateRepository", "ecr:TagResource"]));
    await noticed();
    expect((await begin("early/x")).status).toBe(202);
    await remove("early");
  });

  test("can be passed on by a session of long-term keys, which calls IAM for nothing", async () => {
    const { Credentials } = await berth.sts().send(new GetSessionTokenCommand({}));
    const { AccessKeyId: accessKeyId = "", SecretAccessKey: secretAccessKey = "", SessionToken } = Credentials ?? {};
    const ecr = berth.ecr({ credentials: { accessKeyId, secretAccessKey, sessionToken: SessionToken } });
    const customRoleArn = `arn:aws:iam::${account}:role/passed`;
    const passing = { prefix: "passing", appliedFor: ["REPLICATION" as const], customRoleArn };
    await ecr.send(new CreateRepositoryCreationTemplateCommand(passing));
    await remove("passing");
  });

  test("trusts the registry for its own account, where it says so", async () => {
    for (const [index, source] of ["999988887777", account].entries()) {
      const RoleName = `sourced${index}`;
      const Condition = { StringEquals: { "aws:SourceAccount": source } };
      const trust = {
        Effect: "Allow",
        Principal: { Service: "ecr.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition,
      };
      const command = new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: policyOf(trust) });
      const { Role } = await berth.iam().send(command);
      await allowRole(RoleName, allow(["ecr:CreateRepository", "ecr:TagResource"]));
      await create({ prefix: "sourced", ...tagged, customRoleArn: Role?.Arn });
      if (source === account) expect((await begin("sourced/x")).status).toBe(202);
      else expect(await refusal("sourced/x")).toContain("sts:AssumeRole");
      await remove("sourced");
    }
  });

  test("is whom a key is asked about", async () => {
    const { KeyMetadata } = await berth.client(KMSClient).send(new CreateKeyCommand({}));
    const kmsKey = KeyMetadata?.Arn ?? "";
    const ownKey = allow(["kms:DescribeKey", "kms:CreateGrant", "kms:RetireGrant"], kmsKey);
    const mine = await role("sealer", allow("ecr:CreateRepository"));
    await create({ prefix: "sealed", encryptionConfiguration: { encryptionType: "KMS", kmsKey }, customRoleArn: mine });
    // The root user may use the key; the role may not, and it is the role that would.
    const denied = await codeOf(await begin("sealed/x"));
    expect(denied.message).toContain("assumed-role/sealer/ecr");
    expect(await isThere("sealed/x")).toBe(false);
    await allowRole("sealer", {
      Version: "2012-10-17",
      Statement: [allow("ecr:CreateRepository").Statement, ownKey.Statement],
    });
    await noticed();
    await berth.pushImage("sealed/x", "v1", "content");
    expect((await repository("sealed/x"))?.encryptionConfiguration).toEqual({ encryptionType: "KMS", kmsKey });
    await berth.iam().send(new DeleteRolePolicyCommand({ RoleName: "sealer", PolicyName: "own" }));
    await remove("sealed");
  });
});
