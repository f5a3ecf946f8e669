import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cli } from "./aws-cli.ts";
import type { World } from "./client.ts";
import { contains, equal } from "./expect.ts";
import { pushImage, sampleImage } from "./images.ts";

const REPOSITORY = "cli/scanned";

/** Scanning and signing with the AWS CLI, on a server without a scanner and a signer. */
export async function checkScanning(world: World, { json, text, refused }: Cli): Promise<void> {
  const { check, account, folder, registry } = world;
  const image = ["--repository-name", REPOSITORY, "--image-id", "imageTag=v1"];
  const reason = "The image was not scanned: no image scanner is configured.";

  await check("put-registry-scanning-configuration, get-registry-scanning-configuration", async () => {
    const rules = [
      { scanFrequency: "SCAN_ON_PUSH", repositoryFilters: [{ filter: "never/*", filterType: "WILDCARD" }] },
    ];
    await writeFile(join(folder, "rules.json"), JSON.stringify(rules));
    const put = ["--scan-type", "BASIC", "--rules", "file://rules.json"];
    const { registryScanningConfiguration } = await json("ecr", "put-registry-scanning-configuration", ...put);
    equal(registryScanningConfiguration, { scanType: "BASIC", rules }, "configuration");
    const shown = await json("ecr", "get-registry-scanning-configuration");
    equal(shown, { registryId: account, scanningConfiguration: registryScanningConfiguration }, "configuration");
  });
  await check("batch-get-repository-scanning-configuration", async () => {
    await json("ecr", "create-repository", "--repository-name", REPOSITORY);
    const asked = ["--repository-names", REPOSITORY, "cli/none"];
    const shown = await json("ecr", "batch-get-repository-scanning-configuration", ...asked);
    const [configuration] = shown.scanningConfigurations;
    equal([configuration.scanFrequency, configuration.appliedScanFilters], ["MANUAL", []], "configuration");
    equal(shown.failures[0].failureCode, "REPOSITORY_NOT_FOUND", "failureCode");
  });
  await check("put-signing-configuration, get-signing-configuration", async () => {
    const signingProfileArn = `arn:aws:signer:us-east-1:${account}:/signing-profiles/cli`;
    const repositoryFilters = [{ filter: "cli/*", filterType: "WILDCARD_MATCH" }];
    const configuration = { rules: [{ signingProfileArn, repositoryFilters }] };
    await writeFile(join(folder, "signing.json"), JSON.stringify(configuration));
    const put = ["--signing-configuration", "file://signing.json"];
    await json("ecr", "put-signing-configuration", ...put);
    const shown = await json("ecr", "get-signing-configuration");
    equal(shown, { registryId: account, signingConfiguration: configuration }, "configuration");
  });
  await check("start-image-scan, wait image-scan-complete, describe-image-scan-findings", async () => {
    equal((await pushImage(registry, REPOSITORY, "v1", sampleImage("scanned"))).status, 201, "push");
    contains(await refused("ecr", "describe-image-scan-findings", ...image), "(ScanNotFoundException)", "before");
    const started = await json("ecr", "start-image-scan", ...image);
    equal(started.imageScanStatus.status, "IN_PROGRESS", "status");
    contains(
      await refused("ecr", "wait", "image-scan-complete", ...image),
      "Waiter encountered a terminal failure state",
      "the waiter",
    );
    const found = await json("ecr", "describe-image-scan-findings", ...image);
    equal(found.imageScanStatus, { status: "FAILED", description: reason }, "imageScanStatus");
    contains(await refused("ecr", "start-image-scan", ...image), "(LimitExceededException)", "a second scan");
  });
  await check("describe-image-signing-status, delete-signing-configuration", async () => {
    const [status] = (await json("ecr", "describe-image-signing-status", ...image)).signingStatuses;
    equal([status.status, status.failureCode], ["FAILED", "SignerNotConfigured"], "status");
    await json("ecr", "delete-signing-configuration");
    contains(
      await refused("ecr", "get-signing-configuration"),
      "(SigningConfigurationNotFoundException)",
      "after the deletion",
    );
    await json("ecr", "put-registry-scanning-configuration");
    await text("ecr", "delete-repository", "--repository-name", REPOSITORY, "--force");
  });
}
