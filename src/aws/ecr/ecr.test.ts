import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  BatchCheckLayerAvailabilityCommand,
  BatchDeleteImageCommand,
  BatchGetImageCommand,
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  type CreateRepositoryCommandInput,
  DeleteRepositoryCommand,
  DeleteRepositoryPolicyCommand,
  DescribeImagesCommand,
  DescribeRegistryCommand,
  DescribeRepositoriesCommand,
  ECRServiceException,
  GetAccountSettingCommand,
  GetAuthorizationTokenCommand,
  GetDownloadUrlForLayerCommand,
  GetRepositoryPolicyCommand,
  InitiateLayerUploadCommand,
  ListImageReferrersCommand,
  ListImagesCommand,
  ListTagsForResourceCommand,
  PutAccountSettingCommand,
  PutImageCommand,
  PutImageScanningConfigurationCommand,
  PutImageTagMutabilityCommand,
  paginateDescribeImages,
  paginateDescribeRepositories,
  paginateListImages,
  SetRepositoryPolicyCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import { account, bytesOf, configOf, digestOf, indexOf, inProcess, manifestOf, registryHost } from "../testing.ts";

type World = Awaited<ReturnType<typeof inProcess>>;
let world: World;
beforeAll(async () => {
  world = await inProcess();
});
afterAll(async () => {
  expect(world.problems).toEqual([]); // nothing was our own fault
  await world.close();
});

let counter = 0;
/** A repository of this test's own. */
async function repository(settings: Partial<CreateRepositoryCommandInput> = {}): Promise<string> {
  const repositoryName = `test/r${++counter}`;
  await world.ecr.send(new CreateRepositoryCommand({ repositoryName, ...settings }));
  return repositoryName;
}

const arnOf = (name: string, region = "us-east-1", owner = account) =>
  `arn:aws:ecr:${region}:${owner}:repository/${name}`;

/** The error as a client sees it: name, message and modelled members. */
async function refusal(call: Promise<unknown>): Promise<Record<string, unknown>> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown) => thrown,
  );
  if (!(error instanceof ECRServiceException)) throw new Error(`not a refusal: ${error}`);
  expect(error.$metadata.httpStatusCode).toBe(400);
  const { name, message, ...rest } = error;
  const members = Object.entries(rest).filter(([member]) => !/^(\$|_)/.test(member));
  return { name, message, ...Object.fromEntries(members) };
}

const invalid = (member: string, constraint: string) => ({
  name: "InvalidParameterException",
  message: `Invalid parameter at '${member}' failed to satisfy constraint: '${constraint}'`,
});
const noRepository = (name: string) => ({
  name: "RepositoryNotFoundException",
  message: `The repository with name '${name}' does not exist in the registry with id '${account}'`,
});
const repositoryPattern = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(\\/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*";

describe("CreateRepository", () => {
  test("has ECR's defaults", async () => {
    const { repository } = await world.ecr.send(new CreateRepositoryCommand({ repositoryName: "defaults" }));
    expect(repository).toEqual({
      repositoryArn: arnOf("defaults"),
      registryId: account,
      repositoryName: "defaults",
      repositoryUri: `${registryHost}/defaults`,
      createdAt: expect.any(Date),
      imageTagMutability: "MUTABLE",
      imageScanningConfiguration: { scanOnPush: false },
      encryptionConfiguration: { encryptionType: "AES256" },
    });
    const { createdAt } = JSON.parse(world.newest().text).repository;
    expect(createdAt).toBe(world.now().getTime() / 1000);
  });

  test("takes every setting", async () => {
    const { repository } = await world.ecr.send(
      new CreateRepositoryCommand({
        registryId: account,
        repositoryName: "team-a/web__x/b.c",
        imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters: [{ filterType: "WILDCARD", filter: "dev-*" }],
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfiguration: { encryptionType: "AES256" },
        tags: [{ Key: "owner", Value: "core" }],
      }),
    );
    expect(repository).toMatchObject({
      imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
      imageTagMutabilityExclusionFilters: [{ filterType: "WILDCARD", filter: "dev-*" }],
      imageScanningConfiguration: { scanOnPush: true },
    });
    const { tags } = await world.ecr.send(new ListTagsForResourceCommand({ resourceArn: repository?.repositoryArn }));
    expect(tags).toEqual([{ Key: "owner", Value: "core" }]);
  });

  test("is not idempotent", async () => {
    const repositoryName = await repository();
    expect(await refusal(world.ecr.send(new CreateRepositoryCommand({ repositoryName })))).toEqual({
      name: "RepositoryAlreadyExistsException",
      message: `The repository with name '${repositoryName}' already exists in the registry with id '${account}'`,
    });
  });

  const filter = { filterType: "WILDCARD", filter: "x" } as const;
  const filtersPattern = "^[0-9a-zA-Z._*-]{1,128}$";
  const bad: [name: string, input: object, error: object][] = [
    ["no name", { repositoryName: undefined }, invalid("repositoryName", "Member must not be null")],
    [
      "a short name",
      { repositoryName: "a" },
      invalid("repositoryName", "Member must have length greater than or equal to 2"),
    ],
    [
      "a long name",
      { repositoryName: "a".repeat(257) },
      invalid("repositoryName", "Member must have length less than or equal to 256"),
    ],
    [
      "a name in upper case",
      { repositoryName: "App" },
      invalid("repositoryName", `must satisfy regular expression '${repositoryPattern}'`),
    ],
    [
      "a name with ..",
      { repositoryName: "a/../b" },
      invalid("repositoryName", `must satisfy regular expression '${repositoryPattern}'`),
    ],
    [
      "a short registry id",
      { registryId: "1234" },
      invalid("registryId", "Member must satisfy regular expression pattern: [0-9]{12}"),
    ],
    [
      "an unknown mutability",
      { imageTagMutability: "SOMETIMES" },
      invalid(
        "imageTagMutability",
        "Member must satisfy enum value set: [IMMUTABLE, MUTABLE, MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION]",
      ),
    ],
    [
      "no filters where they are needed",
      { imageTagMutability: "MUTABLE_WITH_EXCLUSION" },
      invalid(
        "imageTagMutabilityExclusionFilters",
        "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as MUTABLE_WITH_EXCLUSION",
      ),
    ],
    [
      "filters where there are none",
      { imageTagMutabilityExclusionFilters: [filter] },
      invalid(
        "imageTagMutabilityExclusionFilters",
        "ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as MUTABLE",
      ),
    ],
    [
      "no filter in the list",
      { imageTagMutability: "IMMUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters: [] },
      invalid("imageTagMutabilityExclusionFilters", "Member must have length greater than or equal to 1"),
    ],
    [
      "six filters",
      { imageTagMutability: "IMMUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters: Array(6).fill(filter) },
      invalid("imageTagMutabilityExclusionFilters", "Member must have length less than or equal to 5"),
    ],
    [
      "a filter that is none",
      {
        imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters: [{ ...filter, filter: "a b" }],
      },
      invalid(
        "imageTagMutabilityExclusionFilters.filter",
        `Member must satisfy regular expression pattern: ${filtersPattern}`,
      ),
    ],
    [
      "a filter with three wildcards",
      {
        imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters: [{ ...filter, filter: "*a*b*" }],
      },
      invalid("imageTagMutabilityExclusionFilters.filter", "A filter can have at most 2 wildcards (*)"),
    ],
    [
      "a key for AES256",
      { encryptionConfiguration: { encryptionType: "AES256", kmsKey: "alias/x" } },
      invalid("encryptionConfiguration", "kmsKey cannot be set when encryptionType is AES256"),
    ],
    [
      "an encryption without its type",
      { encryptionConfiguration: {} },
      invalid("encryptionConfiguration.encryptionType", "Member must not be null"),
    ],
    ["a tag without a value", { tags: [{ Key: "a" }] }, invalid("tags.Value", "Member must not be null")],
    [
      "the same tag twice",
      {
        tags: [
          { Key: "a", Value: "1" },
          { Key: "a", Value: "2" },
        ],
      },
      { name: "InvalidTagParameterException", message: "Tag keys must be unique" },
    ],
    [
      "a reserved tag",
      { tags: [{ Key: "aws:a", Value: "1" }] },
      {
        name: "InvalidTagParameterException",
        message: "Tag keys starting with 'aws:' are reserved for system use: 'aws:a'",
      },
    ],
    [
      "51 tags",
      { tags: Array.from({ length: 51 }, (_, n) => ({ Key: `k${n}`, Value: "" })) },
      {
        name: "TooManyTagsException",
        message:
          "The list of tags on the repository is over the limit. The maximum number of tags that can be applied to a repository is 50.",
      },
    ],
  ];
  for (const [name, input, error] of bad) {
    test(`refuses ${name}`, async () => {
      const call = world.ecr.send(new CreateRepositoryCommand({ repositoryName: "bad", ...input }));
      expect(await refusal(call)).toEqual(error as never);
    });
  }

  test("another account's registry is not ours to write to", async () => {
    const call = world.ecr.send(new CreateRepositoryCommand({ registryId: "444455556666", repositoryName: "x1" }));
    expect(await refusal(call)).toEqual({
      name: "AccessDeniedException",
      message: `User: arn:aws:iam::${account}:root is not authorized to perform: ecr:CreateRepository on resource: ${arnOf("x1", "us-east-1", "444455556666")} because no resource-based policy allows the ecr:CreateRepository action`,
    });
  });

  test("a region is a registry of its own", async () => {
    const repositoryName = await repository();
    const europe = world.ecrIn("eu-west-1");
    const describe = new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] });
    expect(await refusal(europe.send(describe))).toEqual(noRepository(repositoryName));
    const { repository: other } = await europe.send(new CreateRepositoryCommand({ repositoryName }));
    expect(other?.repositoryArn).toBe(arnOf(repositoryName, "eu-west-1"));
  });
});

describe("DescribeRepositories", () => {
  test("by name, in the order asked", async () => {
    const [a, b] = [await repository(), await repository()];
    const { repositories } = await world.ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [b, a] }));
    expect(repositories?.map((found) => found.repositoryName)).toEqual([b, a]);
  });

  test("fails for the first name that is missing", async () => {
    const there = await repository();
    const call = world.ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [there, "no/one", "no/two"] }));
    expect(await refusal(call)).toEqual(noRepository("no/one"));
  });

  test("pages by name", async () => {
    const client = world.ecrIn("eu-north-1");
    const names = Array.from({ length: 7 }, (_, n) => `page/r${n}`);
    for (const repositoryName of names) await client.send(new CreateRepositoryCommand({ repositoryName }));
    const pages: (string | undefined)[][] = [];
    for await (const page of paginateDescribeRepositories({ client, pageSize: 3 }, {})) {
      pages.push(page.repositories?.map((found) => found.repositoryName) ?? []);
    }
    expect(pages).toEqual([names.slice(0, 3), names.slice(3, 6), names.slice(6)]);
    expect(JSON.parse(world.newest().text)).not.toHaveProperty("nextToken");
    const { nextToken } = await client.send(new DescribeRepositoriesCommand({ maxResults: 7 }));
    expect(nextToken).toBeUndefined();
  });

  test("an empty registry has an empty list", async () => {
    const { repositories } = await world.ecrIn("sa-east-1").send(new DescribeRepositoriesCommand({}));
    expect(repositories).toEqual([]);
  });

  const bad: [name: string, input: object, error: object][] = [
    [
      "no name in the list",
      { repositoryNames: [] },
      invalid("repositoryNames", "Member must have length greater than or equal to 1"),
    ],
    [
      "101 names",
      { repositoryNames: Array(101).fill("aa") },
      invalid("repositoryNames", "Member must have length less than or equal to 100"),
    ],
    [
      "a bad name",
      { repositoryNames: ["aa", "B!"] },
      invalid(
        "repositoryNames",
        `Member must satisfy constraint: [must satisfy regular expression '${repositoryPattern}']`,
      ),
    ],
    [
      "names with a page size",
      { repositoryNames: ["aa"], maxResults: 1 },
      invalid("repositoryNames", "repositoryNames cannot be combined with nextToken or maxResults"),
    ],
    ["a page of none", { maxResults: 0 }, invalid("maxResults", "Member must have value greater than or equal to 1")],
    [
      "a page of 1001",
      { maxResults: 1001 },
      invalid("maxResults", "Member must have value less than or equal to 1000"),
    ],
    ["a token of nobody", { nextToken: "abc" }, invalid("NextToken", "Invalid next token provided")],
    ["an empty token", { nextToken: "" }, invalid("NextToken", "Invalid next token provided")],
  ];
  for (const [name, input, error] of bad) {
    test(`refuses ${name}`, async () => {
      expect(await refusal(world.ecr.send(new DescribeRepositoriesCommand(input)))).toEqual(error as never);
    });
  }

  test("another account's are not shown", async () => {
    const call = world.ecr.send(new DescribeRepositoriesCommand({ registryId: "444455556666" }));
    expect(await refusal(call)).toMatchObject({
      name: "AccessDeniedException",
      message: expect.stringContaining(`on resource: ${arnOf("*", "us-east-1", "444455556666")} because`),
    });
  });

  test("a token is good for its own list only", async () => {
    const repositoryName = await repository();
    for (const seed of ["p", "q"]) await world.pushImage(repositoryName, seed, seed);
    const first = { repositoryName, maxResults: 1 };
    const { nextToken } = await world.ecr.send(new ListImagesCommand(first));
    expect(nextToken).toEqual(expect.any(String));
    await world.ecr.send(new ListImagesCommand({ ...first, nextToken })); // here it is good
    const elsewhere = [
      new ListImagesCommand({ ...first, nextToken, filter: { tagStatus: "TAGGED" } }),
      new ListImagesCommand({ repositoryName: await repository(), nextToken }),
      new ListImagesCommand({ ...first, nextToken: `${nextToken}A` }),
      new DescribeImagesCommand({ ...first, nextToken }),
      new DescribeRepositoriesCommand({ nextToken }),
    ];
    for (const command of elsewhere) {
      const call = world.ecr.send(command as ListImagesCommand);
      expect(await refusal(call)).toEqual(invalid("NextToken", "Invalid next token provided"));
    }
  });
});

describe("DeleteRepository", () => {
  test("answers what is gone", async () => {
    const repositoryName = await repository();
    const { repository: gone } = await world.ecr.send(new DeleteRepositoryCommand({ repositoryName }));
    expect(gone).toMatchObject({ repositoryName, repositoryArn: arnOf(repositoryName) });
    const again = world.ecr.send(new DeleteRepositoryCommand({ repositoryName }));
    expect(await refusal(again)).toEqual(noRepository(repositoryName));
  });

  test("takes force when there are images", async () => {
    const repositoryName = await repository();
    await world.pushImage(repositoryName, "x", "v1");
    expect(await refusal(world.ecr.send(new DeleteRepositoryCommand({ repositoryName })))).toEqual({
      name: "RepositoryNotEmptyException",
      message: `The repository with name '${repositoryName}' in registry with id '${account}' cannot be deleted because it still contains images`,
    });
    await world.ecr.send(new DeleteRepositoryCommand({ repositoryName, force: true }));
    await world.ecr.send(new CreateRepositoryCommand({ repositoryName }));
    const { imageIds } = await world.ecr.send(new ListImagesCommand({ repositoryName }));
    expect(imageIds).toEqual([]);
  });
});

describe("settings of a repository", () => {
  test("PutImageTagMutability replaces value and filters", async () => {
    const repositoryName = await repository();
    const filters = [{ filterType: "WILDCARD" as const, filter: "rc-*" }];
    const input = { repositoryName, imageTagMutability: "MUTABLE_WITH_EXCLUSION" as const };
    const set = await world.ecr.send(
      new PutImageTagMutabilityCommand({ ...input, imageTagMutabilityExclusionFilters: filters }),
    );
    expect(set).toMatchObject({ registryId: account, ...input, imageTagMutabilityExclusionFilters: filters });
    await world.ecr.send(new PutImageTagMutabilityCommand({ repositoryName, imageTagMutability: "IMMUTABLE" }));
    expect(JSON.parse(world.newest().text)).toEqual({
      registryId: account,
      repositoryName,
      imageTagMutability: "IMMUTABLE",
    });
    expect(await refusal(world.ecr.send(new PutImageTagMutabilityCommand(input)))).toEqual(
      invalid(
        "imageTagMutabilityExclusionFilters",
        "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as MUTABLE_WITH_EXCLUSION",
      ),
    );
    const missing = { repositoryName: "no/one", imageTagMutability: "MUTABLE" as const };
    expect(await refusal(world.ecr.send(new PutImageTagMutabilityCommand(missing)))).toEqual(noRepository("no/one"));
    const none = { repositoryName } as never;
    expect(await refusal(world.ecr.send(new PutImageTagMutabilityCommand(none)))).toEqual(
      invalid("imageTagMutability", "Member must not be null"),
    );
  });

  test("PutImageScanningConfiguration", async () => {
    const repositoryName = await repository();
    const imageScanningConfiguration = { scanOnPush: true };
    const set = await world.ecr.send(
      new PutImageScanningConfigurationCommand({ repositoryName, imageScanningConfiguration }),
    );
    expect(set).toMatchObject({ registryId: account, repositoryName, imageScanningConfiguration });
    const { repositories } = await world.ecr.send(
      new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] }),
    );
    expect(repositories?.[0]?.imageScanningConfiguration).toEqual(imageScanningConfiguration);
    const missing = { repositoryName: "no/one", imageScanningConfiguration };
    expect(await refusal(world.ecr.send(new PutImageScanningConfigurationCommand(missing)))).toEqual(
      noRepository("no/one"),
    );
  });

  test("resource tags", async () => {
    const resourceArn = arnOf(await repository());
    const tagsOf = async () => (await world.ecr.send(new ListTagsForResourceCommand({ resourceArn }))).tags;
    expect(await tagsOf()).toEqual([]);
    await world.ecr.send(
      new TagResourceCommand({
        resourceArn,
        tags: [
          { Key: "b", Value: "1" },
          { Key: "a", Value: "" },
        ],
      }),
    );
    expect(world.newest().text).toBe("{}");
    await world.ecr.send(new TagResourceCommand({ resourceArn, tags: [{ Key: "b", Value: "2" }] }));
    expect(await tagsOf()).toEqual([
      { Key: "a", Value: "" },
      { Key: "b", Value: "2" },
    ]);
    await world.ecr.send(new UntagResourceCommand({ resourceArn, tagKeys: ["a", "never"] }));
    expect(world.newest().text).toBe("{}");
    expect(await tagsOf()).toEqual([{ Key: "b", Value: "2" }]);
    const more = Array.from({ length: 50 }, (_, n) => ({ Key: `k${n}`, Value: "" }));
    expect(await refusal(world.ecr.send(new TagResourceCommand({ resourceArn, tags: more })))).toMatchObject({
      name: "TooManyTagsException",
    });
    const long = [{ Key: "x".repeat(129), Value: "" }];
    expect(await refusal(world.ecr.send(new TagResourceCommand({ resourceArn, tags: long })))).toMatchObject({
      name: "InvalidTagParameterException",
    });
  });

  test("an ARN must be a repository's, here", async () => {
    const list = (resourceArn: string) => refusal(world.ecr.send(new ListTagsForResourceCommand({ resourceArn })));
    const name = await repository();
    for (const arn of ["x", "arn:aws:s3:::bucket", `arn:aws:ecr:us-east-1:${account}:registry/x`, `${arnOf(name)}/Ü`]) {
      expect(await list(arn)).toEqual(invalid("resourceArn", "Invalid ARN"));
    }
    expect(await list(arnOf("no/one"))).toEqual(noRepository("no/one"));
    expect(await list(arnOf(name, "eu-west-1"))).toEqual(noRepository(name));
    expect(await list(arnOf(name, "us-east-1", "444455556666"))).toMatchObject({
      name: "AccessDeniedException",
      message: expect.stringContaining("ecr:ListTagsForResource on resource: arn:aws:ecr:us-east-1:444455556666:"),
    });
  });
});

describe("repository policies", () => {
  const policyText = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      { Sid: "Pull from B", Effect: "Allow", Principal: { AWS: "444455556666" }, Action: ["ecr:BatchGetImage"] },
    ],
  });

  test("are kept as they came", async () => {
    const repositoryName = await repository();
    const absent = {
      name: "RepositoryPolicyNotFoundException",
      message: `Repository policy does not exist for the repository with name '${repositoryName}' in the registry with id '${account}'`,
    };
    expect(await refusal(world.ecr.send(new GetRepositoryPolicyCommand({ repositoryName })))).toEqual(absent);
    const spaced = ` ${policyText}\n`;
    const set = await world.ecr.send(
      new SetRepositoryPolicyCommand({ repositoryName, policyText: spaced, force: true }),
    );
    const wanted = { registryId: account, repositoryName, policyText: spaced };
    expect(set).toMatchObject(wanted);
    expect(await world.ecr.send(new GetRepositoryPolicyCommand({ repositoryName }))).toMatchObject(wanted);
    expect(await world.ecr.send(new DeleteRepositoryPolicyCommand({ repositoryName }))).toMatchObject(wanted);
    expect(await refusal(world.ecr.send(new DeleteRepositoryPolicyCommand({ repositoryName })))).toEqual(absent);
  });

  test("a bad one is refused without a reason, as ECR does", async () => {
    const repositoryName = await repository();
    for (const bad of ["", "{}", policyText.replace("ecr:", "s3:")]) {
      const call = world.ecr.send(new SetRepositoryPolicyCommand({ repositoryName, policyText: bad }));
      expect(await refusal(call)).toEqual(invalid("PolicyText", "Invalid repository policy provided"));
    }
    const long = world.ecr.send(new SetRepositoryPolicyCommand({ repositoryName, policyText: "x".repeat(10_241) }));
    expect(await refusal(long)).toEqual(invalid("PolicyText", "Member must have length less than or equal to 10240"));
  });

  test("need a repository", async () => {
    const repositoryName = "no/one";
    const calls = [
      world.ecr.send(new SetRepositoryPolicyCommand({ repositoryName, policyText })),
      world.ecr.send(new GetRepositoryPolicyCommand({ repositoryName })),
      world.ecr.send(new DeleteRepositoryPolicyCommand({ repositoryName })),
    ];
    for (const call of calls) expect(await refusal(call)).toEqual(noRepository(repositoryName));
  });
});

describe("the registry", () => {
  test("DescribeRegistry", async () => {
    await world.ecr.send(new DescribeRegistryCommand({}));
    expect(JSON.parse(world.newest().text)).toEqual({ registryId: account, replicationConfiguration: { rules: [] } });
  });

  test("account settings", async () => {
    const get = (name: string) => world.ecr.send(new GetAccountSettingCommand({ name }));
    const put = (name: string, value: string) => world.ecr.send(new PutAccountSettingCommand({ name, value }));
    expect(await get("BLOB_MOUNTING")).toMatchObject({ name: "BLOB_MOUNTING", value: "ENABLED" });
    expect(await get("REGISTRY_POLICY_SCOPE")).toMatchObject({ value: "V2" });
    expect(await get("BASIC_SCAN_TYPE_VERSION")).toMatchObject({ value: "AWS_NATIVE" });
    expect(await put("BLOB_MOUNTING", "DISABLED")).toMatchObject({ name: "BLOB_MOUNTING", value: "DISABLED" });
    expect(await get("BLOB_MOUNTING")).toMatchObject({ value: "DISABLED" });
    expect(await world.ecrIn("eu-west-1").send(new GetAccountSettingCommand({ name: "BLOB_MOUNTING" }))).toMatchObject({
      value: "ENABLED",
    });
    await put("BLOB_MOUNTING", "ENABLED");
    const known = "Member must satisfy enum value set: [BASIC_SCAN_TYPE_VERSION, REGISTRY_POLICY_SCOPE, BLOB_MOUNTING]";
    expect(await refusal(get("X"))).toEqual(invalid("name", known));
    expect(await refusal(put("__proto__", "V2"))).toEqual(invalid("name", known));
    expect(await refusal(get(""))).toEqual(invalid("name", "Member must have length greater than or equal to 1"));
    expect(await refusal(put("BASIC_SCAN_TYPE_VERSION", "CLAIR"))).toEqual({
      name: "ValidationException",
      message: "The value of BASIC_SCAN_TYPE_VERSION must be one of [AWS_NATIVE]",
    });
  });

  test("GetAuthorizationToken", async () => {
    const { authorizationData = [] } = await world.ecr.send(new GetAuthorizationTokenCommand({}));
    expect(authorizationData).toHaveLength(1);
    const [{ authorizationToken = "", expiresAt, proxyEndpoint } = {}] = authorizationData;
    expect(proxyEndpoint).toBe(`https://${registryHost}`);
    expect(expiresAt?.getTime()).toBe(world.now().getTime() + 12 * 3600 * 1000);
    const [user, password = ""] = Buffer.from(authorizationToken, "base64").toString().split(":");
    expect(user).toBe("AWS");
    expect(password).toMatch(/^\S+$/);
    const opened = await world.registryTokens.open(password, "us-east-1" as never);
    expect(opened).toMatchObject({ state: "active", principal: { arn: `arn:aws:iam::${account}:root` } });
    expect(await world.registryTokens.open(password, "eu-west-1" as never)).toMatchObject({ state: "foreign" });
  });

  test("GetAuthorizationToken for registries", async () => {
    const registryIds = ["444455556666", account];
    const { authorizationData } = await world.ecr.send(new GetAuthorizationTokenCommand({ registryIds }));
    expect(authorizationData).toHaveLength(2);
    const token = (ids: string[]) => refusal(world.ecr.send(new GetAuthorizationTokenCommand({ registryIds: ids })));
    expect(await token(["12"])).toEqual(
      invalid(
        "registryIds",
        "Member must satisfy constraint: [Member must satisfy regular expression pattern: [0-9]{12}]",
      ),
    );
    expect(await token([])).toEqual(invalid("registryIds", "Member must have length greater than or equal to 1"));
    expect(await token(Array(11).fill(account))).toEqual(
      invalid("registryIds", "Member must have length less than or equal to 10"),
    );
  });
});

describe("layers", () => {
  const begin = async (repositoryName: string) => {
    const { uploadId } = await world.ecr.send(new InitiateLayerUploadCommand({ repositoryName }));
    return uploadId as string;
  };
  const part = (
    repositoryName: string,
    uploadId: string,
    first: number,
    content: string | Uint8Array,
    last?: number,
  ) => {
    const layerPartBlob = typeof content === "string" ? bytesOf(content) : content;
    const partLastByte = last ?? first + layerPartBlob.length - 1;
    return world.ecr.send(
      new UploadLayerPartCommand({ repositoryName, uploadId, partFirstByte: first, partLastByte, layerPartBlob }),
    );
  };
  const complete = (repositoryName: string, uploadId: string, ...layerDigests: string[]) =>
    world.ecr.send(new CompleteLayerUploadCommand({ repositoryName, uploadId, layerDigests }));

  test("an upload in parts", async () => {
    const repositoryName = await repository();
    const { uploadId, partSize } = await world.ecr.send(new InitiateLayerUploadCommand({ repositoryName }));
    expect(uploadId).toMatch(/^[0-9a-f-]{36}$/);
    expect(partSize).toBe(10_485_760);
    const first = new Uint8Array(5 * 1024 * 1024).fill(65);
    const received = await part(repositoryName, uploadId ?? "", 0, first);
    expect(received).toMatchObject({
      registryId: account,
      repositoryName,
      uploadId,
      lastByteReceived: first.length - 1,
    });
    expect(await part(repositoryName, uploadId ?? "", first.length, "end")).toMatchObject({
      lastByteReceived: first.length + 2,
    });
    const layerDigest = digestOf(`${"A".repeat(first.length)}end`);
    const done = await complete(repositoryName, uploadId ?? "", digestOf("other"), layerDigest);
    expect(done).toMatchObject({ registryId: account, repositoryName, uploadId, layerDigest });
    const { layers } = await world.ecr.send(
      new BatchCheckLayerAvailabilityCommand({ repositoryName, layerDigests: [layerDigest] }),
    );
    expect(layers).toEqual([{ layerDigest, layerAvailability: "AVAILABLE", layerSize: first.length + 3 }]);
  });

  test("parts must follow one another", async () => {
    const repositoryName = await repository();
    const uploadId = await begin(repositoryName);
    const members = { registryId: account, repositoryName, uploadId };
    expect(await refusal(part(repositoryName, uploadId, 5, "abc"))).toEqual({
      name: "InvalidLayerPartException",
      message: "First byte of the layer part is 5 instead of 0",
      ...members,
      lastValidByteReceived: -1,
    });
    await part(repositoryName, uploadId, 0, "abc");
    expect(await refusal(part(repositoryName, uploadId, 0, "abc"))).toEqual({
      name: "InvalidLayerPartException",
      message: "First byte of the layer part is 0 instead of 3",
      ...members,
      lastValidByteReceived: 2,
    });
    expect(await refusal(part(repositoryName, uploadId, 3, "abc", 10))).toEqual({
      name: "InvalidLayerPartException",
      message: "The layer part has 3 bytes, but 8 were declared",
      ...members,
      lastValidByteReceived: 2,
    });
    // What was refused changed nothing.
    expect(await part(repositoryName, uploadId, 3, "def")).toMatchObject({ lastByteReceived: 5 });
  });

  test("what cannot be completed", async () => {
    const repositoryName = await repository();
    const empty = await begin(repositoryName);
    expect(await refusal(complete(repositoryName, empty, digestOf("")))).toMatchObject({
      name: "EmptyUploadException",
      message: `The layer upload '${empty}' does not contain any layer parts`,
    });
    const small = await begin(repositoryName);
    await part(repositoryName, small, 0, "abc");
    await part(repositoryName, small, 3, "def");
    expect(await refusal(complete(repositoryName, small, digestOf("abcdef")))).toEqual({
      name: "LayerPartTooSmallException",
      message: "All layer parts except the last part should be at least 5MB",
    });
    const none = "None of the provided layer digests match the calculated layer digest";
    for (const digests of [[digestOf("x")], [digestOf("x"), digestOf("y")], ["md5:00"]]) {
      const wrong = await begin(repositoryName);
      await part(repositoryName, wrong, 0, "abc");
      expect(await refusal(complete(repositoryName, wrong, ...digests))).toEqual({
        name: "InvalidLayerException",
        message: none,
      });
    }
    await world.pushLayer(repositoryName, "twice");
    const second = await begin(repositoryName);
    await part(repositoryName, second, 0, "twice");
    expect(await refusal(complete(repositoryName, second, digestOf("twice")))).toEqual({
      name: "LayerAlreadyExistsException",
      message: `Layer with digest '${digestOf("twice")}' already exists in the repository with name '${repositoryName}' in registry with id '${account}'`,
    });
    expect(await refusal(complete(repositoryName, second, digestOf("twice")))).toMatchObject({
      name: "UploadNotFoundException",
    });
  });

  test("an upload belongs to its repository", async () => {
    const [mine, other] = [await repository(), await repository()];
    const uploadId = await begin(mine);
    const message = `The upload '${uploadId}' could not be found, or the specified upload ID is not valid for the repository with name '${other}'`;
    expect(await refusal(part(other, uploadId, 0, "a"))).toEqual({ name: "UploadNotFoundException", message });
    expect(await refusal(complete(other, uploadId, digestOf("a")))).toEqual({
      name: "UploadNotFoundException",
      message,
    });
    expect(await refusal(part(mine, crypto.randomUUID(), 0, "a"))).toMatchObject({ name: "UploadNotFoundException" });
    expect(await refusal(part("no/one", uploadId, 0, "a"))).toEqual(noRepository("no/one"));
    expect(await refusal(begin("no/one"))).toEqual(noRepository("no/one"));
  });

  const uploadId = "00000000-0000-4000-8000-000000000000";
  const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
  const okPart = { repositoryName: "aa", uploadId, partFirstByte: 0, partLastByte: 0, layerPartBlob: bytesOf("a") };
  const badParts: [name: string, input: object, error: object][] = [
    [
      "an upload id that is none",
      { uploadId: "x" },
      invalid("uploadId", `Member must satisfy regular expression pattern: ${uuid}`),
    ],
    [
      "a negative first byte",
      { partFirstByte: -1 },
      invalid("partFirstByte", "Member must have value greater than or equal to 0"),
    ],
    [
      "a negative last byte",
      { partLastByte: -1 },
      invalid("partLastByte", "Member must have value greater than or equal to 0"),
    ],
    ["no blob", { layerPartBlob: undefined }, invalid("layerPartBlob", "Member must not be null")],
    [
      "a large blob",
      { layerPartBlob: new Uint8Array(20_971_521) },
      invalid("layerPartBlob", "Member must have length less than or equal to 20971520"),
    ],
  ];
  for (const [name, input, error] of badParts) {
    test(`UploadLayerPart refuses ${name}`, async () => {
      expect(await refusal(world.ecr.send(new UploadLayerPartCommand({ ...okPart, ...input })))).toEqual(
        error as never,
      );
    });
  }

  test("a part of 20 MiB is taken", async () => {
    const repositoryName = await repository();
    const content = new Uint8Array(20_971_520);
    expect(await part(repositoryName, await begin(repositoryName), 0, content)).toMatchObject({
      lastByteReceived: 20_971_519,
    });
  });

  test("BatchCheckLayerAvailability tells for each digest", async () => {
    const repositoryName = await repository();
    await world.pushImage(repositoryName, "seed", "v1");
    const [layer, absent] = [digestOf("seed"), digestOf("absent")];
    const layerDigests = [absent, layer, "sha256:zz", "", "md5:00"];
    await world.ecr.send(new BatchCheckLayerAvailabilityCommand({ repositoryName, layerDigests }));
    const reason = "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'";
    expect(JSON.parse(world.newest().text)).toEqual({
      layers: [
        { layerDigest: absent, layerAvailability: "UNAVAILABLE" },
        {
          layerDigest: layer,
          layerAvailability: "AVAILABLE",
          layerSize: 4,
          mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
        },
        { layerDigest: "md5:00", layerAvailability: "UNAVAILABLE" },
      ],
      failures: [
        { layerDigest: "sha256:zz", failureCode: "InvalidLayerDigest", failureReason: reason },
        {
          layerDigest: "",
          failureCode: "MissingLayerDigest",
          failureReason: "Invalid request parameters: layer digest cannot be empty",
        },
      ],
    });
    await world.ecr.send(new BatchCheckLayerAvailabilityCommand({ repositoryName, layerDigests: [layer] }));
    expect(JSON.parse(world.newest().text).failures).toEqual([]);
    const check = (digests: string[], name = repositoryName) =>
      refusal(world.ecr.send(new BatchCheckLayerAvailabilityCommand({ repositoryName: name, layerDigests: digests })));
    expect(await check([])).toEqual(invalid("layerDigests", "Member must have length greater than or equal to 1"));
    expect(await check(Array(101).fill(layer))).toEqual(
      invalid("layerDigests", "Member must have length less than or equal to 100"),
    );
    expect(await check(["x".repeat(1001)])).toEqual(
      invalid("layerDigests", "Member must satisfy constraint: [Member must have length less than or equal to 1000]"),
    );
    expect(await check([layer], "no/one")).toEqual(noRepository("no/one"));
  });

  test("GetDownloadUrlForLayer", async () => {
    const repositoryName = await repository();
    await world.pushImage(repositoryName, "content", "v1");
    const url = (layerDigest: string, name = repositoryName) =>
      world.ecr.send(new GetDownloadUrlForLayerCommand({ repositoryName: name, layerDigest }));
    const layerDigest = digestOf("content");
    const { downloadUrl = "", ...answer } = await url(layerDigest);
    expect(answer).toMatchObject({ layerDigest });
    const { origin, pathname, searchParams } = new URL(downloadUrl);
    expect(`${origin}${pathname}`).toBe(`https://${registryHost}/v2/${repositoryName}/blobs/${layerDigest}`);
    const opened = await world.registryTokens.openLayer([...searchParams.values()][0] ?? "");
    expect(opened).toMatchObject({ state: "active", scope: { repository: repositoryName, digest: layerDigest } });
    await url(digestOf(configOf("content"))); // configs are layers, too

    const absent = (digest: string) => ({
      name: "LayersNotFoundException",
      message: `The layer with digest '${digest}' does not exist within the repository with name '${repositoryName}' in the registry with id '${account}'`,
    });
    expect(await refusal(url(digestOf("x")))).toEqual(absent(digestOf("x")));
    expect(await refusal(url("md5:00"))).toEqual(absent("md5:00"));
    expect(await refusal(url("x"))).toEqual(
      invalid("layerDigest", "Member must satisfy regular expression pattern: [a-zA-Z0-9-_+.]+:[a-fA-F0-9]+"),
    );
    expect(await refusal(url(layerDigest, "no/one"))).toEqual(noRepository("no/one"));
    expect(await refusal(url("md5:00", "no/one"))).toEqual(noRepository("no/one"));
    const loose = await world.pushLayer(repositoryName, "loose");
    expect(await refusal(url(loose))).toMatchObject({
      name: "LayerInaccessibleException",
      message: expect.stringContaining("not associated with an image"),
    });
  });
});

describe("PutImage", () => {
  const put = (repositoryName: string, imageManifest: string, more: object = {}) =>
    world.ecr.send(new PutImageCommand({ repositoryName, imageManifest, ...more }));

  test("answers the image byte for byte", async () => {
    const repositoryName = await repository();
    await world.pushImage(repositoryName, "é", "first");
    const spaced = JSON.stringify(JSON.parse(manifestOf("é")), undefined, 3);
    const { image } = await put(repositoryName, spaced, { imageTag: "v1", imageDigest: digestOf(spaced) });
    expect(image).toEqual({
      registryId: account,
      repositoryName,
      imageId: { imageDigest: digestOf(spaced), imageTag: "v1" },
      imageManifest: spaced,
      imageManifestMediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    const { images } = await world.ecr.send(
      new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }),
    );
    expect(images).toEqual([image as never]);
  });

  test("takes the media type from the parameter when the manifest has none", async () => {
    const repositoryName = await repository();
    await world.pushImage(repositoryName, "a");
    const { mediaType, ...bare } = JSON.parse(manifestOf("a"));
    const manifest = JSON.stringify(bare);
    expect(await refusal(put(repositoryName, manifest))).toEqual({
      name: "InvalidParameterException",
      message: "image manifest mediatype not provided in manifest or parameter",
    });
    const { image } = await put(repositoryName, manifest, { imageManifestMediaType: mediaType });
    expect(image?.imageManifestMediaType).toBe(mediaType);
    expect(image?.imageId).toEqual({ imageDigest: digestOf(manifest) });
  });

  test("needs what the manifest refers to", async () => {
    const repositoryName = await repository();
    const digests = `[${digestOf(configOf("none"))}, ${digestOf("none")}]`;
    expect(await refusal(put(repositoryName, manifestOf("none")))).toEqual({
      name: "LayersNotFoundException",
      message: `Layers with digests '${digests}' required for pushing image into repository with name '${repositoryName}' in the registry with id '${account}' do not exist`,
    });
    const child = { digest: digestOf("child"), size: 9 };
    expect(await refusal(put(repositoryName, indexOf([child])))).toEqual({
      name: "ReferencedImagesNotFoundException",
      message: `Images with digests '[${child.digest}]' required for pushing image into repository with name '${repositoryName}' in the registry with id '${account}' do not exist`,
    });
  });

  test("the same again is an error", async () => {
    const repositoryName = await repository();
    const digest = await world.pushImage(repositoryName, "again", "v1");
    const exists = (tag: string) => ({
      name: "ImageAlreadyExistsException",
      message: `Image with digest '${digest}' and tag '${tag}' already exists in the repository with name '${repositoryName}' in registry with id '${account}'`,
    });
    expect(await refusal(put(repositoryName, manifestOf("again"), { imageTag: "v1" }))).toEqual(exists("v1"));
    expect(await refusal(put(repositoryName, manifestOf("again")))).toEqual(exists("null"));
    await put(repositoryName, manifestOf("again"), { imageTag: "v2" });
  });

  test("tags move unless they are immutable", async () => {
    const repositoryName = await repository();
    const first = await world.pushImage(repositoryName, "one", "v1");
    const second = await world.pushImage(repositoryName, "two", "v1");
    const { imageIds } = await world.ecr.send(new ListImagesCommand({ repositoryName }));
    expect(imageIds).toEqual([{ imageDigest: first }, { imageDigest: second, imageTag: "v1" }]);
    await world.ecr.send(new PutImageTagMutabilityCommand({ repositoryName, imageTagMutability: "IMMUTABLE" }));
    const immutable = {
      name: "ImageTagAlreadyExistsException",
      message: `The image tag 'v1' already exists in the '${repositoryName}' repository and cannot be overwritten because the tag is immutable.`,
    };
    expect(await refusal(put(repositoryName, manifestOf("one"), { imageTag: "v1" }))).toEqual(immutable);
    expect(await refusal(put(repositoryName, manifestOf("two"), { imageTag: "v1" }))).toEqual(immutable);
  });

  test("checks the digest that the client calculated", async () => {
    const repositoryName = await repository();
    for (const imageDigest of [digestOf("x"), "md5:00", digestOf("x").toUpperCase().replace("SHA256", "sha256")]) {
      expect(await refusal(put(repositoryName, manifestOf("x"), { imageDigest }))).toEqual({
        name: "ImageDigestDoesNotMatchException",
        message: `The image with digest '${imageDigest}' in repository '${repositoryName}' and registry ID '${account}' does not match the image digest that Amazon ECR has calculated.`,
      });
    }
  });

  const tagRule = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}";
  const bad: [name: string, input: object, error: object][] = [
    ["no manifest", { imageManifest: undefined }, invalid("imageManifest", "Member must not be null")],
    [
      "an empty manifest",
      { imageManifest: "" },
      invalid("imageManifest", "Member must have length greater than or equal to 1"),
    ],
    [
      "a large manifest",
      { imageManifest: "x".repeat(4_194_305) },
      invalid("imageManifest", "Member must have length less than or equal to 4194304"),
    ],
    [
      "a bad tag",
      { imageTag: "a b" },
      invalid("imageTag", `Member must satisfy regular expression pattern: ${tagRule}`),
    ],
    [
      "a long tag",
      { imageTag: "a".repeat(301) },
      invalid("imageTag", "Member must have length less than or equal to 300"),
    ],
    ["an empty tag", { imageTag: "" }, invalid("imageTag", "Member must have length greater than or equal to 1")],
    [
      "a bad digest",
      { imageDigest: "x" },
      invalid("imageDigest", "Member must satisfy regular expression pattern: [a-zA-Z0-9-_+.]+:[a-fA-F0-9]+"),
    ],
    ["no repository", { repositoryName: "no/one" }, noRepository("no/one")],
  ];
  for (const [name, input, error] of bad) {
    test(`refuses ${name}`, async () => {
      const call = put(await repository(), manifestOf("m"), input);
      expect(await refusal(call)).toEqual(error as never);
    });
  }

  test("refuses what is no manifest", async () => {
    const repositoryName = await repository();
    for (const manifest of ["x", "[]", "{}", '{"schemaVersion":2,"schemaVersion":2}', '{"schemaVersion":1}']) {
      const more = { imageManifestMediaType: "application/vnd.oci.image.manifest.v1+json" };
      expect(await refusal(put(repositoryName, manifest, more))).toMatchObject({ name: "InvalidParameterException" });
    }
  });
});

describe("reading images", () => {
  let repositoryName: string;
  let [tagged, untagged, index] = ["", "", ""];
  beforeAll(async () => {
    repositoryName = await repository();
    tagged = await world.pushImage(repositoryName, "tagged", "v1");
    await world.ecr.send(
      new PutImageCommand({ repositoryName, imageManifest: manifestOf("tagged"), imageTag: "latest" }),
    );
    untagged = await world.pushImage(repositoryName, "untagged");
    const manifest = indexOf([{ digest: untagged, size: manifestOf("untagged").length }]);
    await world.ecr.send(new PutImageCommand({ repositoryName, imageManifest: manifest, imageTag: "multi" }));
    index = digestOf(manifest);
  });
  const noImage = (digest: string | null, tag: string | null, name = repositoryName) => ({
    name: "ImageNotFoundException",
    message: `The image with imageId {imageDigest:'${digest}', imageTag:'${tag}'} does not exist within the repository with name '${name}' in the registry with id '${account}'`,
  });

  test("BatchGetImage tells for each id", async () => {
    const imageIds = [
      { imageTag: "v1" },
      { imageDigest: untagged },
      { imageDigest: tagged, imageTag: "latest" },
      { imageDigest: untagged, imageTag: "v1" },
      { imageTag: "none" },
      { imageDigest: digestOf("none") },
      { imageDigest: "md5:00" },
      { imageDigest: "sha256:zz" },
      { imageTag: "a b" },
      {},
    ];
    await world.ecr.send(new BatchGetImageCommand({ repositoryName, imageIds, acceptedMediaTypes: ["x/y"] }));
    const { images, failures } = JSON.parse(world.newest().text);
    expect(images.map((image: { imageId: object }) => image.imageId)).toEqual([
      { imageDigest: tagged, imageTag: "v1" },
      { imageDigest: untagged },
      { imageDigest: tagged, imageTag: "latest" },
    ]);
    expect(images[1].imageManifest).toBe(manifestOf("untagged"));
    const notFound = { failureCode: "ImageNotFound", failureReason: "Requested image not found" };
    expect(failures).toEqual([
      { imageId: imageIds[3], ...notFound },
      { imageId: imageIds[4], ...notFound },
      { imageId: imageIds[5], ...notFound },
      { imageId: imageIds[6], ...notFound },
      {
        imageId: imageIds[7],
        failureCode: "InvalidImageDigest",
        failureReason:
          "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
      },
      {
        imageId: imageIds[8],
        failureCode: "InvalidImageTag",
        failureReason:
          "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'",
      },
      {
        imageId: {},
        failureCode: "MissingDigestAndTag",
        failureReason: "Invalid request parameters: both tag and digest cannot be null",
      },
    ]);
  });

  test("BatchGetImage answers empty lists, and needs a repository", async () => {
    await world.ecr.send(new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag: "none" }] }));
    expect(JSON.parse(world.newest().text).images).toEqual([]);
    const get = (input: object) =>
      refusal(world.ecr.send(new BatchGetImageCommand({ repositoryName, imageIds: [{}], ...input })));
    expect(await get({ repositoryName: "no/one" })).toEqual(noRepository("no/one"));
    expect(await get({ imageIds: [] })).toEqual(
      invalid("imageIds", "Member must have length greater than or equal to 1"),
    );
    expect(await get({ imageIds: Array(101).fill({}) })).toEqual(
      invalid("imageIds", "Member must have length less than or equal to 100"),
    );
  });

  test("BatchGetImage answers what fits", async () => {
    const annotations = { large: "x".repeat(4_190_000) };
    const repositoryName = await repository();
    const imageDigest = await world.pushImage(repositoryName, "large", "large", { annotations });
    const imageIds = Array(9).fill({ imageDigest });
    const get = world.ecr.send(new BatchGetImageCommand({ repositoryName, imageIds }));
    expect(await refusal(get)).toEqual({ name: "LimitExceededException", message: "Ask for fewer images at once" });
  });

  test("a pull is remembered", async () => {
    await world.ecr.send(new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }));
    await world.pullTimes.flush();
    const { imageDetails } = await world.ecr.send(
      new DescribeImagesCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }),
    );
    expect(imageDetails?.[0]?.lastRecordedPullTime?.getTime()).toBe(world.now().getTime());
  });

  test("DescribeImages shows each digest once, with its tags", async () => {
    const imageIds = [{ imageTag: "latest" }, { imageDigest: index }, { imageDigest: untagged }, { imageTag: "v1" }];
    const { imageDetails } = await world.ecr.send(new DescribeImagesCommand({ repositoryName, imageIds }));
    expect(imageDetails?.map((image) => [image.imageDigest, image.imageTags])).toEqual([
      [tagged, ["latest", "v1"]],
      [index, ["multi"]],
      [untagged, undefined],
    ]);
    const raw = JSON.parse(world.newest().text).imageDetails;
    const sizeOf = (seed: string) => configOf(seed).length + seed.length;
    expect(raw[2]).toEqual({
      registryId: account,
      repositoryName,
      imageDigest: untagged,
      imageSizeInBytes: sizeOf("untagged"),
      imagePushedAt: expect.any(Number),
      imageManifestMediaType: "application/vnd.oci.image.manifest.v1+json",
      artifactMediaType: "application/vnd.oci.image.config.v1+json",
      lastRecordedPullTime: expect.any(Number),
      imageStatus: "ACTIVE",
    });
    expect(raw[1]).toMatchObject({
      imageSizeInBytes: sizeOf("untagged"),
      imageManifestMediaType: "application/vnd.oci.image.index.v1+json",
    });
  });

  test("DescribeImages fails for an id that is missing", async () => {
    const describe = (...imageIds: object[]) =>
      refusal(world.ecr.send(new DescribeImagesCommand({ repositoryName, imageIds })));
    expect(await describe({ imageTag: "v1" }, { imageTag: "none" })).toEqual(noImage(null, "none"));
    expect(await describe({ imageDigest: digestOf("none") })).toEqual(noImage(digestOf("none"), null));
    expect(await describe({ imageDigest: untagged, imageTag: "v1" })).toEqual(noImage(untagged, "v1"));
    expect(await describe({ imageDigest: "md5:00" })).toEqual(noImage("md5:00", null));
    expect(await describe({ imageTag: "none" }, { imageDigest: "md5:00" })).toEqual(noImage(null, "none"));
    expect(await describe({})).toEqual(
      invalid("imageIds", "Invalid request parameters: both tag and digest cannot be null"),
    );
    expect(await describe({ imageDigest: "zz" })).toMatchObject({ name: "InvalidParameterException" });
  });

  test("DescribeImages filters and pages", async () => {
    const all = async (filter?: object) => {
      const { imageDetails = [] } = await world.ecr.send(new DescribeImagesCommand({ repositoryName, filter }));
      return imageDetails.map((image) => image.imageDigest);
    };
    expect(await all()).toEqual([tagged, untagged, index]);
    expect(await all({ tagStatus: "TAGGED" })).toEqual([tagged, index]);
    expect(await all({ tagStatus: "UNTAGGED" })).toEqual([untagged]);
    expect(await all({ tagStatus: "ANY", imageStatus: "ANY" })).toEqual([tagged, untagged, index]);
    expect(await all({ imageStatus: "ARCHIVED" })).toEqual([]);
    const pages: unknown[] = [];
    for await (const page of paginateDescribeImages({ client: world.ecr, pageSize: 2 }, { repositoryName })) {
      pages.push(page.imageDetails?.map((image) => image.imageDigest));
    }
    expect(pages).toEqual([[tagged, untagged], [index]]);
    const describe = (input: object) =>
      refusal(world.ecr.send(new DescribeImagesCommand({ repositoryName, ...input })));
    expect(await describe({ imageIds: [{ imageTag: "v1" }], maxResults: 1 })).toEqual(
      invalid("imageIds", "imageIds cannot be combined with nextToken or maxResults"),
    );
    expect(await describe({ filter: { tagStatus: "SOME" } })).toEqual(
      invalid("filter.tagStatus", "Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]"),
    );
    expect(await describe({ repositoryName: "no/one" })).toEqual(noRepository("no/one"));
  });

  test("ListImages has one element for each tag", async () => {
    const all = async (filter?: object) =>
      (await world.ecr.send(new ListImagesCommand({ repositoryName, filter }))).imageIds;
    const [latest, v1, multi] = [
      { imageDigest: tagged, imageTag: "latest" },
      { imageDigest: tagged, imageTag: "v1" },
      { imageDigest: index, imageTag: "multi" },
    ];
    expect(await all()).toEqual([latest, v1, { imageDigest: untagged }, multi]);
    expect(await all({ tagStatus: "TAGGED" })).toEqual([latest, v1, multi]);
    expect(await all({ tagStatus: "UNTAGGED" })).toEqual([{ imageDigest: untagged }]);
    expect(await all({ imageStatus: "ACTIVATING" })).toEqual([]);
    const pages: unknown[] = [];
    for await (const page of paginateListImages({ client: world.ecr, pageSize: 1 }, { repositoryName })) {
      pages.push(...(page.imageIds ?? []));
    }
    expect(pages).toEqual([latest, v1, { imageDigest: untagged }, multi]);
    expect(await refusal(world.ecr.send(new ListImagesCommand({ repositoryName: "no/one" })))).toEqual(
      noRepository("no/one"),
    );
  });

  test("ListImageReferrers", async () => {
    const size = manifestOf("tagged").length;
    const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: tagged, size };
    const more = (artifactType: string, note: string) => ({ subject, artifactType, annotations: { note } });
    const sbom = await world.pushImage(repositoryName, "sbom", undefined, more("application/sbom", "1"));
    const sign1 = await world.pushImage(repositoryName, "sign1", undefined, more("application/signature", "2"));
    const sign2 = await world.pushImage(repositoryName, "sign2", undefined, more("application/signature", "3"));
    const list = async (input: object = {}) =>
      world.ecr.send(new ListImageReferrersCommand({ repositoryName, subjectId: { imageDigest: tagged }, ...input }));
    const { referrers } = await list();
    expect(referrers?.map(({ digest }) => digest)).toEqual([sbom, sign1, sign2]);
    expect(referrers?.[0]).toEqual({
      digest: sbom,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      artifactType: "application/sbom",
      size: manifestOf("sbom", more("application/sbom", "1")).length,
      annotations: { note: "1" },
      artifactStatus: "ACTIVE",
    });
    const filter = { artifactTypes: ["application/signature"] };
    const first = await list({ filter, maxResults: 1 });
    expect(first.referrers?.map(({ digest }) => digest)).toEqual([sign1]);
    const second = await list({ filter, maxResults: 1, nextToken: first.nextToken });
    expect(second.referrers?.map(({ digest }) => digest)).toEqual([sign2]);
    expect(second.nextToken).toBeUndefined();
    expect((await list({ filter: { artifactTypes: [] } })).referrers).toHaveLength(3);
    expect((await list({ filter: { artifactStatus: "ARCHIVED" } })).referrers).toEqual([]);
    expect((await list({ subjectId: { imageDigest: digestOf("none") } })).referrers).toEqual([]);
    expect((await list({ subjectId: { imageDigest: "md5:00" } })).referrers).toEqual([]);
    expect(await refusal(list({ maxResults: 51 }))).toEqual(
      invalid("maxResults", "Member must have value less than or equal to 50"),
    );
    expect(await refusal(list({ subjectId: {} }))).toEqual(invalid("subjectId.imageDigest", "Member must not be null"));
    expect(await refusal(list({ filter: { artifactTypes: Array(6).fill("a") } }))).toEqual(
      invalid("filter.artifactTypes", "Member must have length less than or equal to 5"),
    );
    expect(await refusal(list({ repositoryName: "no/one" }))).toEqual(noRepository("no/one"));
    expect(await refusal(list({ repositoryName: "no/one", subjectId: { imageDigest: "md5:00" } }))).toEqual(
      noRepository("no/one"),
    );
    const shown = await world.ecr.send(
      new DescribeImagesCommand({ repositoryName, imageIds: [{ imageDigest: sbom }] }),
    );
    expect(shown.imageDetails?.[0]).toMatchObject({
      subjectManifestDigest: tagged,
      artifactMediaType: "application/sbom",
    });
  });
});

describe("BatchDeleteImage", () => {
  const remove = async (repositoryName: string, ...imageIds: object[]) => {
    await world.ecr.send(new BatchDeleteImageCommand({ repositoryName, imageIds }));
    return JSON.parse(world.newest().text);
  };
  const tag = (repositoryName: string, seed: string, imageTag: string) =>
    world.ecr.send(new PutImageCommand({ repositoryName, imageManifest: manifestOf(seed), imageTag }));

  test("by tag, the last tag takes the image along", async () => {
    const repositoryName = await repository();
    const imageDigest = await world.pushImage(repositoryName, "a", "v1");
    await tag(repositoryName, "a", "v2");
    expect(await remove(repositoryName, { imageTag: "v1" })).toEqual({
      imageIds: [{ imageDigest, imageTag: "v1" }],
      failures: [],
    });
    expect((await world.ecr.send(new ListImagesCommand({ repositoryName }))).imageIds).toHaveLength(1);
    await remove(repositoryName, { imageTag: "v2" });
    expect((await world.ecr.send(new ListImagesCommand({ repositoryName }))).imageIds).toEqual([]);
  });

  test("by digest, or by both, all tags go", async () => {
    const repositoryName = await repository();
    for (const id of [{}, { imageTag: "v2" }]) {
      const imageDigest = await world.pushImage(repositoryName, "a", "v1");
      await tag(repositoryName, "a", "v2");
      expect(await remove(repositoryName, { imageDigest, ...id })).toEqual({
        imageIds: [
          { imageDigest, imageTag: "v1" },
          { imageDigest, imageTag: "v2" },
        ],
        failures: [],
      });
    }
    const imageDigest = await world.pushImage(repositoryName, "b");
    expect((await remove(repositoryName, { imageDigest })).imageIds).toEqual([{ imageDigest }]);
  });

  test("tells for each id what went wrong", async () => {
    const repositoryName = await repository();
    const imageDigest = await world.pushImage(repositoryName, "a", "1.0");
    const pair = { imageDigest: digestOf("x"), imageTag: "1.0" };
    const ids = [pair, { imageTag: "1.0" }, { imageDigest: "sha256:zz" }, {}, { imageTag: "none" }];
    expect(await remove(repositoryName, ...ids)).toEqual({
      imageIds: [{ imageDigest, imageTag: "1.0" }],
      failures: [
        { imageId: pair, failureCode: "ImageNotFound", failureReason: "Requested image not found" },
        {
          imageId: { imageDigest: "sha256:zz" },
          failureCode: "InvalidImageDigest",
          failureReason:
            "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        },
        {
          imageId: {},
          failureCode: "MissingDigestAndTag",
          failureReason: "Invalid request parameters: both tag and digest cannot be null",
        },
        { imageId: { imageTag: "none" }, failureCode: "ImageNotFound", failureReason: "Requested image not found" },
      ],
    });
  });

  test("a part of an index goes after the index", async () => {
    const repositoryName = await repository();
    const child = await world.pushImage(repositoryName, "child");
    const manifest = indexOf([{ digest: child, size: manifestOf("child").length }]);
    await world.ecr.send(new PutImageCommand({ repositoryName, imageManifest: manifest, imageTag: "v1" }));
    const imageDigest = digestOf(manifest);
    expect(await remove(repositoryName, { imageDigest: child })).toEqual({
      imageIds: [],
      failures: [
        {
          imageId: { imageDigest: child },
          failureCode: "ImageReferencedByManifestList",
          failureReason: `Requested image referenced by manifest list: [${imageDigest}]`,
        },
      ],
    });
    expect(await remove(repositoryName, { imageDigest }, { imageDigest: child })).toEqual({
      imageIds: [{ imageDigest, imageTag: "v1" }, { imageDigest: child }],
      failures: [],
    });
  });

  test("needs a repository", async () => {
    const call = world.ecr.send(
      new BatchDeleteImageCommand({ repositoryName: "no/one", imageIds: [{ imageTag: "a" }] }),
    );
    expect(await refusal(call)).toEqual(noRepository("no/one"));
  });
});
