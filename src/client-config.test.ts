import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientConfig } from "./client-config.ts";
import { ConfigError, loadConfig } from "./config.ts";

const root = mkdtempSync(join(tmpdir(), "berth-client-config-"));
afterAll(() => rmSync(root, { recursive: true }));

function homeWith(yaml: string): string {
  const home = mkdtempSync(join(root, "home-"));
  mkdirSync(join(home, ".berth"));
  writeFileSync(join(home, ".berth", "helper.yaml"), yaml);
  return home;
}

const endpointsOf = (env: Record<string, string>, yaml = "") => {
  const { endpoints } = clientConfig({ env, home: homeWith(yaml) });
  return Object.values(endpoints).map((url) => String(url?.host));
};

test("where each API is: the variable for one service, then ours, then the general one, then the file", () => {
  const file = "endpoint: https://file.test";
  expect(endpointsOf({})).toEqual(["undefined", "undefined", "undefined"]);
  expect(endpointsOf({}, file)).toEqual(["file.test", "file.test", "file.test"]);
  expect(endpointsOf({ AWS_ENDPOINT_URL: "http://all.test:1" }, file)).toEqual([
    "all.test:1",
    "all.test:1",
    "all.test:1",
  ]);
  const both = { AWS_ENDPOINT_URL: "http://all.test", BERTH_ENDPOINT: "http://ours.test" };
  expect(endpointsOf(both, file)).toEqual(["ours.test", "ours.test", "ours.test"]);
  expect(endpointsOf({ ...both, AWS_ENDPOINT_URL_ECR: "http://ecr.test" })).toEqual([
    "ecr.test",
    "ours.test",
    "ours.test",
  ]);
  expect(endpointsOf({ AWS_ENDPOINT_URL_ECR: "http://ecr.test" })).toEqual(["ecr.test", "ecr.test", "ecr.test"]);
  expect(endpointsOf({ ...both, AWS_ENDPOINT_URL_STS: "http://sts.test" })).toEqual([
    "ours.test",
    "sts.test",
    "ours.test",
  ]);
});

test("a file in the working directory says nothing", () => {
  const cwd = process.cwd();
  const elsewhere = mkdtempSync(join(root, "cwd-"));
  writeFileSync(join(elsewhere, "berth.yaml"), "publicUrl: http://evil.test");
  writeFileSync(join(elsewhere, "helper.yaml"), "endpoint: http://evil.test");
  try {
    process.chdir(elsewhere);
    expect(clientConfig({ env: {}, home: homeWith("") }).endpoints.ecr).toBeUndefined();
  } finally {
    process.chdir(cwd);
  }
});

test.each<[env: Record<string, string>, yaml: string, says: string]>([
  [{ BERTH_ENDPOINT: "berth.test" }, "", "BERTH_ENDPOINT: allowed: http://HOST"],
  [{ AWS_ENDPOINT_URL: "http://user:pass@berth.test" }, "", "AWS_ENDPOINT_URL: allowed: http://HOST"],
  [{ AWS_ENDPOINT_URL_ECR: "http://berth.test/path" }, "", "AWS_ENDPOINT_URL_ECR: allowed: http://HOST"],
  [{ BERTH_HELPER_HOSTS: "a.test, http://b.test" }, "", "BERTH_HELPER_HOSTS: allowed: HOST or HOST:PORT"],
  [{ AWS_ACCESS_KEY_ID: "AKIA" }, "", "they belong together"],
  [{ AWS_WEB_IDENTITY_TOKEN_FILE: "/token" }, "", "AWS_ROLE_ARN: AWS_WEB_IDENTITY_TOKEN_FILE needs it"],
  [{ AWS_REGION: "somewhere" }, "", "AWS_REGION: allowed: a region"],
  [{ BERTH_HELPER_CONFIG: "/nowhere/helper.yaml" }, "", "the file cannot be read (ENOENT)"],
  [{}, "endpoint: ftp://berth.test", "endpoint ("],
  [{}, "hosts: [a.test/b]", "hosts.0 ("],
  [{}, "endpiont: http://berth.test", "Unrecognized key"],
  [{}, "a: [", "this is not YAML"],
])("%j and %j cannot be used", (env, yaml, says) => {
  const read = () => clientConfig({ env, home: homeWith(yaml) });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(says);
});

test("a server is not disturbed by the variables of helpers", () => {
  const env = { BERTH_ENDPOINT: "http://x.test", BERTH_HELPER_CONFIG: "/x", BERTH_HELPER_HOSTS: "x.test" };
  expect(loadConfig({ env, cwd: root }).region as string).toBe("us-east-1");
});
