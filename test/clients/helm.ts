import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { contains, equal, present } from "./expect.ts";
import { version } from "./process.ts";

export const name = "helm";
export const heavy = true;
export const find = () => version(["helm", "version", "--short"]);

export async function run(world: World): Promise<void> {
  const { check, host, folder } = world;
  const helm = async (args: readonly string[], options: { input?: string; fails?: boolean } = {}) =>
    (await world.run(["helm", ...args], options)).output;
  // Helm appends the chart's name to the place it pushes to.
  await world.repository("charts/app");
  const chart = `oci://${host}/charts/app`;
  let digest = "";

  await check("registry login", async () => {
    const args = ["registry", "login", "--plain-http", "--username", "AWS", "--password-stdin", host];
    contains(await helm(args, { input: await world.password() }), "Login Succeeded", "login");
  });
  await check("create, package and push a chart", async () => {
    await helm(["create", join(folder, "app")]);
    await helm(["package", join(folder, "app"), "--version", "1.2.3", "--destination", folder]);
    const output = await helm(["push", "--plain-http", join(folder, "app-1.2.3.tgz"), `oci://${host}/charts`]);
    digest = present(/sha256:[0-9a-f]{64}/.exec(output)?.[0], "digest");
  });
  await check("pull it: the same bytes", async () => {
    await mkdir(join(folder, "back"));
    contains(
      await helm(["pull", "--plain-http", chart, "--version", "1.2.3", "--destination", join(folder, "back")]),
      digest,
      "pull",
    );
    const read = (path: string) => Bun.file(path).bytes();
    equal(await read(join(folder, "back", "app-1.2.3.tgz")), await read(join(folder, "app-1.2.3.tgz")), "chart");
  });
  await check("show chart, show values, template", async () => {
    contains(await helm(["show", "chart", "--plain-http", chart, "--version", "1.2.3"]), "version: 1.2.3", "chart");
    contains(await helm(["show", "values", "--plain-http", chart, "--version", "1.2.3"]), "replicaCount", "values");
    contains(
      await helm(["template", "release", "--plain-http", chart, "--version", "1.2.3"]),
      "kind: Deployment",
      "template",
    );
  });
  await check("the newest version in a range is found through the tag list", async () => {
    await helm(["package", join(folder, "app"), "--version", "1.3.0+build.7", "--destination", folder]);
    await helm(["push", "--plain-http", join(folder, "app-1.3.0+build.7.tgz"), `oci://${host}/charts`]);
    contains(
      await helm(["show", "chart", "--plain-http", chart, "--version", "^1.2.0"]),
      "version: 1.3.0+build.7",
      "chart",
    );
  });
  await check("DescribeImages knows it as a chart", async () => {
    const { DescribeImagesCommand } = await import("@aws-sdk/client-ecr");
    const { imageDetails } = await world.ecr.send(
      new DescribeImagesCommand({ repositoryName: "charts/app", imageIds: [{ imageTag: "1.2.3" }] }),
    );
    equal(imageDetails?.[0]?.artifactMediaType, "application/vnd.cncf.helm.config.v1+json", "artifactMediaType");
  });
}
