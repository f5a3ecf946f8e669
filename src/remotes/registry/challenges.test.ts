import { expect, test } from "bun:test";
import { parseChallenges } from "./challenges.ts";

const realm = "https://auth.test/token";

test.each([
  [
    'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:a/b:pull,push"',
    [["bearer", { realm, service: "registry.test", scope: "repository:a/b:pull,push" }]],
  ],
  ['Basic realm="Registry"', [["basic", { realm: "Registry" }]]],
  ["BASIC", [["basic", {}]]],
  [
    'basic, Bearer Realm = "https://auth.test/token" , service=x',
    [
      ["basic", {}],
      ["bearer", { realm, service: "x" }],
    ],
  ],
  [
    'Negotiate YWJj==, Basic realm="a\\"b\\\\c"',
    [
      ["negotiate", {}],
      ["basic", { realm: 'a"b\\c' }],
    ],
  ],
  ["Bearer realm=https://auth.test/token", [["bearer", { realm }]]],
  ['Bearer realm="https://auth.test/token", realm="https://evil.test"', [["bearer", { realm }]]],
  ['Bearer realm="unterminated', [["bearer", {}]]],
  ['Bearer __proto__="x"', [["bearer", JSON.parse('{"__proto__":"x"}')]]],
  ["", []],
  [",=,=", []],
  ['realm="x"', []],
  [`Bearer realm="${"x".repeat(10_000)}"`, []],
])("%s", (header, challenges) => {
  expect(parseChallenges(header).map(({ scheme, parameters }) => [scheme, { ...parameters }])).toEqual(
    challenges as never,
  );
});

test("of very many only the first count", () => {
  expect(parseChallenges("a,".repeat(4_000)).length).toBeLessThan(16);
});
