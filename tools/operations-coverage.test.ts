import { expect, test } from "bun:test";
import { join } from "node:path";
import { callsIn, coverage, coveragePath, testFiles } from "./operations-coverage.ts";

const importing = (names: string, from = "ecr") => `import { ${names} } from "@aws-sdk/client-${from}";\n`;

test.each<[path: string, text: string, calls: string[]]>([
  [
    "a.test.ts",
    `${importing("PutImageCommand")}await ecr.send(new PutImageCommand({ repositoryName }));`,
    ["PutImage"],
  ],
  ["a.test.ts", `${importing("paginateListImages")}paginateListImages(config, input)`, ["ListImages"]],
  ["a.test.ts", `${importing("PutImageCommand")}// never called`, []],
  ["a.test.ts", `${importing("TagResourceCommand", "kms")}new TagResourceCommand({})`, []],
  ["a.test.ts", `${importing("NoSuchCommand")}new NoSuchCommand({})`, []],
  ["aws-cli.ts", 'json("ecr", "batch-get-image", "--image-ids"); json("kms", "tag-resource")', ["BatchGetImage"]],
  ["checks.py", "ecr.put_image(repositoryName=name)\nkms.tag_resource()\nput_image = 1", ["PutImage"]],
])("what %s calls: %s", (path, text, calls) => {
  expect([...callsIn({ path, text })] as string[]).toEqual(calls);
});

test("the page of all operations is up to date; npm run docs:operations writes it", async () => {
  const root = join(import.meta.dir, "..");
  expect(await Bun.file(join(root, coveragePath)).text()).toBe(coverage(await testFiles(root)));
});
