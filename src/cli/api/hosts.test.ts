import { expect, test } from "bun:test";
import { hostIn, isAmong, registryHosts } from "./hosts.ts";

test.each<[server: string, host: string | undefined]>([
  ["registry.test", "registry.test"],
  ["Registry.Test:5000\n", "registry.test:5000"],
  ["https://registry.test/v1/", "registry.test"],
  ["https://registry.test:443", "registry.test"],
  ["http://registry.test:80/", "registry.test"],
  ["http://registry.test:443", "registry.test:443"],
  ["registry.test:80", "registry.test:80"],
  ["registry.test/team/app:1@sha256:aa", "registry.test"],
  ["[::1]:5080/app", "[::1]:5080"],
  ["user@registry.test", undefined],
  ["https://user:pass@registry.test", undefined],
  ["registry.test\\@evil.test", undefined],
  ["ftp://registry.test", undefined],
  ["registry.test:port", undefined],
  ["/registry.test", undefined],
  ["", undefined],
])("the host in %j", (server, host) => {
  expect(hostIn(server)).toBe(host);
});

test("a star stands within one label", () => {
  const patterns = ["*.dkr.ecr.*.berth.test:5080", "plain.test", "app-*.test"];
  expect(isAmong(patterns, "000000000000.dkr.ecr.us-east-1.berth.test:5080")).toBe(true);
  expect(isAmong(patterns, "app-1.test")).toBe(true);
  for (const other of [
    "000000000000.dkr.ecr.us-east-1.berth.test",
    "a.b.dkr.ecr.us-east-1.berth.test:5080",
    "000000000000.dkr.ecr.us-east-1.berth.test:5080.evil.test",
    "plainxtest",
    "plain.test:1",
    "sub.plain.test",
    "app-1.evil.test",
  ]) {
    expect(isAmong(patterns, other)).toBe(false);
  }
});

test("without a list, the endpoint's host and AWS's form of names under it", () => {
  const hosts = registryHosts({ endpoints: { ecr: new URL("http://Berth.test:5080") } });
  expect(isAmong(hosts, "berth.test:5080")).toBe(true);
  expect(isAmong(hosts, "000000000000.dkr.ecr.us-east-1.berth.test:5080")).toBe(true);
  expect(isAmong(hosts, "other.berth.test:5080")).toBe(false);
  expect(registryHosts({ endpoints: {} })).toEqual([]);
  expect(registryHosts({ endpoints: { ecr: new URL("http://berth.test") }, hosts: ["A.test"] })).toEqual(["a.test"]);
});
