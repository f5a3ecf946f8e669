import { afterAll, describe, expect, test } from "bun:test";
import {
  CreateRepositoryCommand,
  DeleteSigningConfigurationCommand,
  DescribeImageSigningStatusCommand,
  GetSigningConfigurationCommand,
  type ImageIdentifier,
  PutImageCommand,
  PutSigningConfigurationCommand,
  type SigningRule,
} from "@aws-sdk/client-ecr";
import { account, bytesOf, indexOf, inProcess, manifestOf } from "../testing.ts";

const world = await inProcess();
afterAll(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});

const { ecr } = world;
const profile = (name: string, region = "us-east-1", owner = account) =>
  `arn:aws:signer:${region}:${owner}:/signing-profiles/${name}`;
const rule = (name: string, ...filters: string[]): SigningRule => ({
  signingProfileArn: profile(name),
  ...(filters.length > 0 && {
    repositoryFilters: filters.map((filter) => ({ filter, filterType: "WILDCARD_MATCH" as const })),
  }),
});
const configure = (...rules: SigningRule[]) =>
  ecr.send(new PutSigningConfigurationCommand({ signingConfiguration: { rules } }));
const remove = (client = ecr) => client.send(new DeleteSigningConfigurationCommand({}));
const statusOf = (repositoryName: string, imageId: ImageIdentifier) =>
  ecr.send(new DescribeImageSigningStatusCommand({ repositoryName, imageId }));

const notConfigured = {
  name: "SigningConfigurationNotFoundException",
  message: `Signing configuration does not exist in the registry with id '${account}'`,
};
const failed = (name: string) => ({
  signingProfileArn: profile(name),
  status: "FAILED" as const,
  failureCode: "SignerNotConfigured",
  failureReason: "The image was not signed: no signer is configured.",
});
const invalid = (member: string, constraint: string) => ({
  name: "InvalidParameterException",
  message: `Invalid parameter at 'signingConfiguration.${member}' failed to satisfy constraint: '${constraint}'`,
});

describe("the configuration", () => {
  test("is there when it is set, in its region, and gone when it is deleted", async () => {
    await expect(ecr.send(new GetSigningConfigurationCommand({}))).rejects.toMatchObject(notConfigured);
    await expect(remove()).rejects.toMatchObject(notConfigured);
    const rules = [rule("one"), rule("two", "prod/*", "team-*/app")];
    expect((await configure(...rules)).signingConfiguration).toEqual({ rules });
    const got = await ecr.send(new GetSigningConfigurationCommand({}));
    expect([got.registryId, got.signingConfiguration]).toEqual([account, { rules }]);
    const elsewhere = world.ecrIn("eu-west-1");
    await expect(elsewhere.send(new GetSigningConfigurationCommand({}))).rejects.toMatchObject(notConfigured);
    await expect(remove(elsewhere)).rejects.toMatchObject(notConfigured);

    await configure();
    const { signingConfiguration } = await ecr.send(new GetSigningConfigurationCommand({}));
    expect(signingConfiguration).toEqual({ rules: [] });
    await configure(rule("three"));
    const removed = await remove();
    expect([removed.registryId, removed.signingConfiguration]).toEqual([account, { rules: [rule("three")] }]);
    await expect(remove()).rejects.toMatchObject(notConfigured);
  });

  const profilePattern = "^arn:aws(-[a-z]+)*:signer:[a-z0-9-]+:[0-9]{12}:\\/signing-profiles\\/[a-zA-Z0-9_]{2,}$";
  const badProfile = invalid(
    "rules.signingProfileArn",
    `Member must satisfy regular expression pattern: ${profilePattern}`,
  );
  const filterPattern = "^(?:[a-z0-9*]+(?:[._-][a-z0-9*]+)*/)*[a-z0-9*]+(?:[._-][a-z0-9*]+)*$";
  const badFilter = invalid(
    "rules.repositoryFilters.filter",
    `Member must satisfy regular expression pattern: ${filterPattern}`,
  );
  test.each<[what: string, rules: object[] | undefined, error: object]>([
    ["no rules", undefined, invalid("rules", "Member must not be null")],
    [
      "eleven rules",
      Array.from({ length: 11 }, (_, index) => rule(`p${index}`)),
      invalid("rules", "Member must have length less than or equal to 10"),
    ],
    ["a rule without a profile", [{}], invalid("rules.signingProfileArn", "Member must not be null")],
    ["a profile that is no ARN", [{ signingProfileArn: "one" }], badProfile],
    ["a profile with a short name", [rule("x")], badProfile],
    [
      "a long ARN",
      [rule("x".repeat(200))],
      invalid("rules.signingProfileArn", "Member must have length less than or equal to 200"),
    ],
    [
      "an empty list of filters",
      [{ ...rule("one"), repositoryFilters: [] }],
      invalid("rules.repositoryFilters", "Member must have length greater than or equal to 1"),
    ],
    [
      "101 filters",
      [rule("one", ...Array.from({ length: 101 }, () => "a"))],
      invalid("rules.repositoryFilters", "Member must have length less than or equal to 100"),
    ],
    ["a filter in capitals", [rule("one", "Prod")], badFilter],
    ["a filter with a slash at its end", [rule("one", "prod/")], badFilter],
    [
      "a filter of another type",
      [{ ...rule("one"), repositoryFilters: [{ filter: "a", filterType: "WILDCARD" }] }],
      invalid("rules.repositoryFilters.filterType", "Member must satisfy enum value set: [WILDCARD_MATCH]"),
    ],
    [
      "a profile of another region",
      [{ signingProfileArn: profile("one", "eu-west-1") }],
      {
        name: "ValidationException",
        message: `The signing profile ${profile("one", "eu-west-1")} is not in the region of the registry, us-east-1`,
      },
    ],
  ])("refuses %s", async (_, rules, error) => {
    const call = ecr.send(
      new PutSigningConfigurationCommand({ signingConfiguration: { rules: rules as SigningRule[] } }),
    );
    await expect(call).rejects.toMatchObject(error);
    await expect(ecr.send(new GetSigningConfigurationCommand({}))).rejects.toMatchObject(notConfigured);
  });

  test("may name the profile of another account", async () => {
    const other = { signingProfileArn: profile("shared", "us-east-1", "999988887777") };
    await configure(other);
    expect((await remove()).signingConfiguration).toEqual({ rules: [other] });
  });
});

describe("the status of an image", () => {
  test("is that of each profile whose rule named it when it was pushed", async () => {
    const repositoryName = "prod/signed";
    await ecr.send(new CreateRepositoryCommand({ repositoryName }));
    const before = await world.pushImage(repositoryName, "before", "before");
    await configure(rule("one"), rule("two", "prod"), rule("three", "prod/*"), rule("one", "prod/signed"));
    const imageDigest = await world.pushImage(repositoryName, "after", "after");

    const found = await statusOf(repositoryName, { imageTag: "after" });
    expect([found.registryId, found.repositoryName]).toEqual([account, repositoryName]);
    expect(found.imageId).toEqual({ imageDigest, imageTag: "after" });
    expect(found.signingStatuses).toEqual([failed("one"), failed("three")]);
    expect((await statusOf(repositoryName, { imageDigest: before })).signingStatuses).toEqual([]);
    // Another tag for an image that is there is not a push of it.
    const imageManifest = manifestOf("before");
    await ecr.send(new PutImageCommand({ repositoryName, imageManifest, imageTag: "again" }));
    expect((await statusOf(repositoryName, { imageTag: "again" })).signingStatuses).toEqual([]);

    await remove();
    expect((await statusOf(repositoryName, { imageDigest })).signingStatuses).toHaveLength(2);
  });

  test("is there for indexes, and not for what belongs to an image or is none", async () => {
    const repositoryName = "prod/kinds";
    await ecr.send(new CreateRepositoryCommand({ repositoryName }));
    await configure(rule("one"));
    const child = await world.pushImage(repositoryName, "child");
    const size = bytesOf(manifestOf("child")).length;
    const imageManifest = indexOf([{ digest: child, size }]);
    await ecr.send(new PutImageCommand({ repositoryName, imageManifest, imageTag: "index" }));
    expect((await statusOf(repositoryName, { imageTag: "index" })).signingStatuses).toEqual([failed("one")]);

    const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: child, size };
    await world.pushImage(repositoryName, "of the child", "referrer", { subject });
    await world.pushImage(repositoryName, "chart", "chart", { artifactType: "application/vnd.example.chart" });
    for (const imageTag of ["referrer", "chart"]) {
      expect((await statusOf(repositoryName, { imageTag })).signingStatuses).toEqual([]);
    }
    await remove();
  });

  test("of what is not there", async () => {
    await ecr.send(new CreateRepositoryCommand({ repositoryName: "empty" }));
    await expect(statusOf("none/such", { imageTag: "x" })).rejects.toMatchObject({
      name: "RepositoryNotFoundException",
    });
    await expect(statusOf("empty", { imageTag: "x" })).rejects.toMatchObject({ name: "ImageNotFoundException" });
    await expect(statusOf("empty", {})).rejects.toMatchObject({ name: "InvalidParameterException" });
  });
});
