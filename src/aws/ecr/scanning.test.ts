import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  BatchDeleteImageCommand,
  BatchGetRepositoryScanningConfigurationCommand,
  CreateRepositoryCommand,
  DescribeImageScanFindingsCommand,
  GetRegistryScanningConfigurationCommand,
  type ImageIdentifier,
  PutImageCommand,
  PutImageScanningConfigurationCommand,
  PutRegistryScanningConfigurationCommand,
  type PutRegistryScanningConfigurationCommandInput,
  type RegistryScanningRule,
  StartImageScanCommand,
  UpdateImageStorageClassCommand,
  waitUntilImageScanComplete,
} from "@aws-sdk/client-ecr";
import { account, bytesOf, indexOf, inProcess, manifestOf } from "../testing.ts";

const world = await inProcess();
afterAll(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});
beforeEach(() => configure({}));

const { ecr } = world;
let counter = 0;
/** For the server and for its client, which would else be refused once for its old signature. */
function pass(seconds: number): void {
  world.pass(seconds);
  ecr.config.systemClockOffset += seconds * 1000;
}
async function repository(scanOnPush = false, prefix = "scan"): Promise<string> {
  const repositoryName = `${prefix}/r${++counter}`;
  await ecr.send(new CreateRepositoryCommand({ repositoryName, imageScanningConfiguration: { scanOnPush } }));
  return repositoryName;
}

const configure = (input: PutRegistryScanningConfigurationCommandInput) =>
  ecr.send(new PutRegistryScanningConfigurationCommand(input));
const configured = async () =>
  (await ecr.send(new GetRegistryScanningConfigurationCommand({}))).scanningConfiguration ?? {};
const rule = (scanFrequency: RegistryScanningRule["scanFrequency"], ...filters: string[]): RegistryScanningRule => ({
  scanFrequency,
  repositoryFilters: filters.map((filter) => ({ filter, filterType: "WILDCARD" })),
});
const start = (repositoryName: string, imageId: ImageIdentifier) =>
  ecr.send(new StartImageScanCommand({ repositoryName, imageId }));
const findings = (repositoryName: string, imageId: ImageIdentifier, more: object = {}) =>
  ecr.send(new DescribeImageScanFindingsCommand({ repositoryName, imageId, ...more }));
const archive = (repositoryName: string, imageDigest: string, targetStorageClass: "ARCHIVE" | "STANDARD") =>
  ecr.send(new UpdateImageStorageClassCommand({ repositoryName, imageId: { imageDigest }, targetStorageClass }));

const invalid = (member: string, constraint: string) => ({
  name: "InvalidParameterException",
  message: `Invalid parameter at '${member}' failed to satisfy constraint: '${constraint}'`,
});
const notFound = (repositoryName: string, imageDigest: string | null, imageTag: string | null) => ({
  name: "ScanNotFoundException",
  message: `Image scan does not exist for the image with '{imageDigest:'${imageDigest}', imageTag:'${imageTag}'}' in the repository with name '${repositoryName}' in the registry with id '${account}'`,
});
const failed = { status: "FAILED" as const, description: "The image was not scanned: no image scanner is configured." };
const disabled = { name: "ValidationException", message: "This feature is disabled" };

describe("the configuration of a registry", () => {
  test("is basic and empty until it is set", async () => {
    const elsewhere = world.ecrIn("eu-west-1");
    expect(await elsewhere.send(new GetRegistryScanningConfigurationCommand({}))).toMatchObject({
      registryId: account,
      scanningConfiguration: { scanType: "BASIC", rules: [] },
    });
  });

  test("is replaced as a whole, in its region", async () => {
    const rules = [rule("SCAN_ON_PUSH", "*"), rule("CONTINUOUS_SCAN", "prod", "team/*")];
    const { registryScanningConfiguration } = await configure({ scanType: "ENHANCED", rules });
    expect(registryScanningConfiguration).toEqual({ scanType: "ENHANCED", rules });
    expect(await configured()).toEqual({ scanType: "ENHANCED", rules });
    const elsewhere = await world.ecrIn("eu-central-1").send(new GetRegistryScanningConfigurationCommand({}));
    expect(elsewhere.scanningConfiguration).toEqual({ scanType: "BASIC", rules: [] });
    await configure({ rules: [rule("MANUAL")] });
    expect(await configured()).toEqual({ scanType: "BASIC", rules: [rule("MANUAL")] });
    await configure({ scanType: "BASIC" });
    expect(await configured()).toEqual({ scanType: "BASIC", rules: [] });
  });

  const filterPattern = "^[a-z0-9*](?:[._\\-/a-z0-9*]?[a-z0-9*]+)*$";
  const mustMatch = invalid(
    "rules.repositoryFilters.filter",
    `Member must satisfy regular expression pattern: ${filterPattern}`,
  );
  const filter = (text: string) => ({ rules: [rule("SCAN_ON_PUSH", text)] });
  test.each<[what: string, input: object, error: object]>([
    [
      "an unknown type",
      { scanType: "DEEP" },
      invalid("scanType", "Member must satisfy enum value set: [BASIC, ENHANCED]"),
    ],
    [
      "three rules",
      { rules: [rule("MANUAL"), rule("SCAN_ON_PUSH"), rule("CONTINUOUS_SCAN")] },
      invalid("rules", "Member must have length less than or equal to 2"),
    ],
    [
      "a rule without a frequency",
      { rules: [{ repositoryFilters: [] }] },
      invalid("rules.scanFrequency", "Member must not be null"),
    ],
    [
      "a rule without filters",
      { rules: [{ scanFrequency: "MANUAL" }] },
      invalid("rules.repositoryFilters", "Member must not be null"),
    ],
    [
      "101 filters",
      { rules: [rule("MANUAL", ...Array.from({ length: 101 }, () => "a"))] },
      invalid("rules.repositoryFilters", "Member must have length less than or equal to 100"),
    ],
    [
      "an empty filter",
      filter(""),
      invalid("rules.repositoryFilters.filter", "Member must have length greater than or equal to 1"),
    ],
    [
      "a long filter",
      filter("a".repeat(256)),
      invalid("rules.repositoryFilters.filter", "Member must have length less than or equal to 255"),
    ],
    ["a filter in capitals", filter("Prod"), mustMatch],
    ["a filter with two separators", filter("a//b"), mustMatch],
    ["a filter that only an expression of exponential cost refuses", filter(`${"a".repeat(254)}!`), mustMatch],
    [
      "a filter of another type",
      { rules: [{ scanFrequency: "MANUAL", repositoryFilters: [{ filter: "a", filterType: "PREFIX" }] }] },
      invalid("rules.repositoryFilters.filterType", "Member must satisfy enum value set: [WILDCARD]"),
    ],
    [
      "continuous basic scans",
      { scanType: "BASIC", rules: [rule("CONTINUOUS_SCAN", "*")] },
      {
        name: "ValidationException",
        message: "The scan frequency CONTINUOUS_SCAN needs the scan type ENHANCED",
      },
    ],
    [
      "two rules of one frequency",
      { rules: [rule("SCAN_ON_PUSH", "a"), rule("SCAN_ON_PUSH", "b")] },
      { name: "ValidationException", message: "There can be one rule at most for each scan frequency" },
    ],
  ])("refuses %s", async (_, input, error) => {
    await expect(configure(input)).rejects.toMatchObject(error);
    expect(await configured()).toEqual({ scanType: "BASIC", rules: [] });
  });
});

test("tells of each repository which rule is for it", async () => {
  const [prod, other] = [await repository(false, "prod"), await repository(true, "other")];
  const of = async (...repositoryNames: string[]) => {
    const { scanningConfigurations, failures } = await ecr.send(
      new BatchGetRepositoryScanningConfigurationCommand({ repositoryNames }),
    );
    return { scanningConfigurations, failures };
  };
  const view = (repositoryName: string, scanOnPush: boolean, scanFrequency: string, ...filters: string[]) => ({
    repositoryArn: `arn:aws:ecr:us-east-1:${account}:repository/${repositoryName}`,
    repositoryName,
    scanOnPush,
    scanFrequency,
    appliedScanFilters: filters.map((filter) => ({ filter, filterType: "WILDCARD" })),
  });
  expect(await of(other, "none/such", prod)).toEqual({
    scanningConfigurations: [view(other, true, "MANUAL"), view(prod, false, "MANUAL")],
    failures: [
      {
        repositoryName: "none/such",
        failureCode: "REPOSITORY_NOT_FOUND",
        failureReason: "REPOSITORY_NOT_FOUND",
      },
    ],
  } as never);
  await configure({ scanType: "ENHANCED", rules: [rule("SCAN_ON_PUSH", "*"), rule("CONTINUOUS_SCAN", "prod", "x")] });
  expect(await of(prod, other)).toEqual({
    scanningConfigurations: [view(prod, false, "CONTINUOUS_SCAN", "prod"), view(other, true, "SCAN_ON_PUSH", "*")],
    failures: [],
  } as never);
  await expect(of(...Array.from({ length: 26 }, () => prod))).rejects.toMatchObject(
    invalid("repositoryNames", "Member must have length less than or equal to 25"),
  );
});

describe("a scan", () => {
  test("that is asked for fails, and says that there is no scanner", async () => {
    const name = await repository();
    const imageDigest = await world.pushImage(name, "asked", "v1");
    await expect(findings(name, { imageTag: "v1" })).rejects.toMatchObject(notFound(name, null, "v1"));
    expect(await start(name, { imageTag: "v1" })).toMatchObject({
      registryId: account,
      repositoryName: name,
      imageId: { imageDigest, imageTag: "v1" },
      imageScanStatus: { status: "IN_PROGRESS" },
    });
    const found = await findings(name, { imageDigest });
    expect(found.imageId).toEqual({ imageDigest });
    expect(found.imageScanStatus).toEqual(failed);
    expect(found.imageScanFindings).toBeUndefined();
    // Whoever waits for the end hears of it at once.
    const waiting = waitUntilImageScanComplete(
      { client: ecr, maxWaitTime: 20, minDelay: 1 },
      { repositoryName: name, imageId: { imageDigest } },
    );
    await expect(waiting).rejects.toThrow(/FAILED/);
  });

  test("can be asked for once a day", async () => {
    const name = await repository();
    const imageDigest = await world.pushImage(name, "daily");
    const quota = {
      name: "LimitExceededException",
      message: "The scan quota per image has been exceeded. Wait and try again.",
    };
    await start(name, { imageDigest });
    await expect(start(name, { imageDigest })).rejects.toMatchObject(quota);
    pass(24 * 60 * 60 - 1);
    await expect(start(name, { imageDigest })).rejects.toMatchObject(quota);
    pass(1);
    await start(name, { imageDigest });
    await expect(start(name, { imageDigest })).rejects.toMatchObject(quota);
  });

  test("comes with a push into a repository with the flag, or that a rule names, and counts for the day", async () => {
    const [flagged, ruled, none] = [await repository(true), await repository(false, "prod"), await repository()];
    await configure({ rules: [rule("SCAN_ON_PUSH", "prod/*")] });
    for (const name of [flagged, ruled]) {
      const imageDigest = await world.pushImage(name, "pushed", "v1");
      expect((await findings(name, { imageDigest })).imageScanStatus).toEqual(failed);
      await expect(start(name, { imageDigest })).rejects.toMatchObject({ name: "LimitExceededException" });
      // Another tag is not another image.
      pass(60);
      const imageManifest = manifestOf("pushed");
      await ecr.send(new PutImageCommand({ repositoryName: name, imageManifest, imageTag: "v2" }));
      pass(24 * 60 * 60 - 60);
      await start(name, { imageDigest });
    }
    const imageDigest = await world.pushImage(none, "pushed", "v1");
    await expect(findings(none, { imageDigest })).rejects.toMatchObject(notFound(none, imageDigest, null));
  });

  test("is for images alone", async () => {
    const name = await repository(true);
    const child = await world.pushImage(name, "child");
    const index = indexOf([{ digest: child, size: bytesOf(manifestOf("child")).length }]);
    await ecr.send(new PutImageCommand({ repositoryName: name, imageManifest: index, imageTag: "index" }));
    const artifact = await world.pushImage(name, "chart", "chart", {
      artifactType: "application/vnd.cncf.helm.config.v1+json",
    });
    const unsupported = {
      name: "UnsupportedImageTypeException",
      message: "The image is of a type that cannot be scanned.",
    };
    for (const imageId of [{ imageTag: "index" }, { imageDigest: artifact }]) {
      await expect(start(name, imageId)).rejects.toMatchObject(unsupported);
      await expect(findings(name, imageId)).rejects.toMatchObject({ name: "ScanNotFoundException" });
    }
  });

  test("is not for the archive, and counts as one after it", async () => {
    const name = await repository(true);
    const imageDigest = await world.pushImage(name, "away", "v1");
    await archive(name, imageDigest, "ARCHIVE");
    expect((await findings(name, { imageDigest })).imageScanStatus?.status).toBe("IMAGE_ARCHIVED");
    await expect(start(name, { imageTag: "v1" })).rejects.toMatchObject({
      name: "ImageArchivedException",
      message: "The specified image is archived and cannot be scanned.",
    });
    pass(25 * 60 * 60);
    await archive(name, imageDigest, "STANDARD");
    expect((await findings(name, { imageDigest })).imageScanStatus).toEqual(failed);
    await expect(start(name, { imageDigest })).rejects.toMatchObject({ name: "LimitExceededException" });
  });

  test("goes with its image", async () => {
    const name = await repository();
    const imageDigest = await world.pushImage(name, "gone", "v1");
    await start(name, { imageDigest });
    await ecr.send(new BatchDeleteImageCommand({ repositoryName: name, imageIds: [{ imageDigest }] }));
    await world.pushImage(name, "gone", "v1");
    await expect(findings(name, { imageDigest })).rejects.toMatchObject(notFound(name, imageDigest, null));
    await start(name, { imageDigest });
  });

  test("has no second page of findings", async () => {
    const name = await repository(true);
    const imageDigest = await world.pushImage(name, "paged");
    expect((await findings(name, { imageDigest }, { maxResults: 1000 })).nextToken).toBeUndefined();
    await expect(findings(name, { imageDigest }, { nextToken: "more" })).rejects.toMatchObject(
      invalid("NextToken", "Invalid next token provided"),
    );
    await expect(findings(name, { imageDigest }, { maxResults: 1001 })).rejects.toMatchObject(
      invalid("maxResults", "Member must have value less than or equal to 1000"),
    );
  });

  test.each([
    ["start", start],
    ["describe", findings],
  ] as const)("%s: of what is not there", async (_, ask) => {
    const name = await repository();
    const digest = `sha256:${"0".repeat(64)}`;
    const imageMissing = (imageDigest: string | null, imageTag: string | null) => ({
      name: "ImageNotFoundException",
      message: `The image with imageId {imageDigest:'${imageDigest}', imageTag:'${imageTag}'} does not exist within the repository with name '${name}' in the registry with id '${account}'`,
    });
    await expect(ask("none/such", { imageTag: "x" })).rejects.toMatchObject({ name: "RepositoryNotFoundException" });
    await expect(ask("none/such", {})).rejects.toMatchObject({ name: "RepositoryNotFoundException" });
    await expect(ask(name, { imageTag: "x" })).rejects.toMatchObject(imageMissing(null, "x"));
    await expect(ask(name, { imageDigest: digest })).rejects.toMatchObject(imageMissing(digest, null));
    await expect(ask(name, { imageDigest: "md5:ab" })).rejects.toMatchObject(imageMissing("md5:ab", null));
    await expect(ask(name, {})).rejects.toMatchObject(
      invalid("imageId", "Invalid request parameters: both tag and digest cannot be null"),
    );
    await expect(ask(name, { imageDigest: "nonsense" })).rejects.toMatchObject({ name: "InvalidParameterException" });
  });
});

describe("while scanning is enhanced", () => {
  test("nothing is scanned by hand, and no repository has its own flag set", async () => {
    const name = await repository();
    await world.pushImage(name, "by hand", "v1");
    await configure({ scanType: "ENHANCED" });
    await expect(start(name, { imageTag: "v1" })).rejects.toMatchObject(disabled);
    const flag = (scanOnPush: boolean, repositoryName = name) =>
      ecr.send(
        new PutImageScanningConfigurationCommand({ repositoryName, imageScanningConfiguration: { scanOnPush } }),
      );
    await expect(flag(true)).rejects.toMatchObject(disabled);
    await expect(flag(true, "none/such")).rejects.toMatchObject({ name: "RepositoryNotFoundException" });
    await configure({ scanType: "BASIC" });
    expect((await flag(true)).imageScanningConfiguration).toEqual({ scanOnPush: true });
  });

  test("images of repositories that rules name are waiting for a scanner, and basic scans are out of sight", async () => {
    const [prod, other] = [await repository(false, "prod"), await repository(true, "other")];
    for (const name of [prod, other]) await world.pushImage(name, "enhanced", "v1");
    const imageId = { imageTag: "v1" };
    expect((await findings(other, imageId)).imageScanStatus).toEqual(failed);
    await configure({ scanType: "ENHANCED", rules: [rule("CONTINUOUS_SCAN", "prod*")] });
    expect((await findings(prod, imageId)).imageScanStatus).toEqual(failed);
    await expect(findings(other, imageId)).rejects.toMatchObject(notFound(other, null, "v1"));
    const digest = await world.pushImage(other, "also", "v2");
    const child = { digest: await world.pushImage(prod, "also"), size: bytesOf(manifestOf("also")).length };
    await ecr.send(new PutImageCommand({ repositoryName: prod, imageManifest: indexOf([child]), imageTag: "index" }));
    expect((await findings(prod, { imageTag: "index" })).imageScanStatus?.status).toBe("UNSUPPORTED_IMAGE");

    await configure({ scanType: "BASIC" });
    expect((await findings(other, imageId)).imageScanStatus).toEqual(failed);
    await expect(findings(prod, imageId)).rejects.toMatchObject(notFound(prod, null, "v1"));
    // The push came while no basic scan could be asked for.
    await expect(findings(other, { imageDigest: digest })).rejects.toMatchObject(notFound(other, digest, null));
  });
});
