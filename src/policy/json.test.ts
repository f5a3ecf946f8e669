import { describe, expect, test } from "bun:test";
import { parseStrictJson } from "./json.ts";

const parse = (text: string, maxDepth = 8) => parseStrictJson(text, { maxDepth });

describe("strict JSON", () => {
  const good = [
    "null",
    "true",
    "12.5e3",
    '"a"',
    "[]",
    "{}",
    '{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}',
    '{"a":"b:","b":"a","c":"\\"a\\":"}',
    '{ "a" : "a" , "b" : [ "a" , "a" ] }',
    '{"":1," ":2}',
    '{"a\\\\":1,"a":2}',
    '{"__proto__":{"x":1},"constructor":2,"hasOwnProperty":3}',
    '{"\\ud83d\\ude00":1,"😁":2}',
  ];
  for (const text of good) {
    test(`reads ${text}`, () => expect(parse(text)).toEqual({ value: JSON.parse(text) }));
  }

  const twice: [text: string, key: string][] = [
    ['{"a":1,"a":1}', "a"],
    ['{"a":1,"b":2,"\\u0061":3}', "a"],
    ['{"x":[{"y":{"k":1,\n\t"k" :2}}]}', "k"],
    ['{"a":{},"a":[]}', "a"],
    ['{"__proto__":1,"__proto__":2}', "__proto__"],
    ['{"":1,"":2}', ""],
    ['{"/":1,"\\/":2}', "/"],
    ['{"a":{"b":1},"c":{"b":1,"d":{"b":1},"b":1}}', "b"],
  ];
  for (const [text, key] of twice) {
    test(`refuses ${JSON.stringify(text)}`, () =>
      expect(parse(text)).toEqual({ problem: `the key '${key}' appears twice in an object` }));
  }

  const broken = [
    "",
    "{",
    "[1,]",
    '{"a"}',
    '{"a":1,}',
    '"abc',
    '"\\',
    "{a:1}",
    "\ufeff{}",
    "[1] 2",
    '{"\\x":1}',
    '"\\"',
    "}{",
  ];
  for (const text of broken) {
    test(`refuses ${JSON.stringify(text)}`, () => expect(parse(text)).toEqual({ problem: "not valid JSON" }));
  }

  test("counts lists and objects as levels", () => {
    expect(parse('{"a":[1]}', 2)).toEqual({ value: { a: [1] } });
    expect(parse('{"a":[{}]}', 2)).toEqual({ problem: "nested deeper than 2 levels" });
    expect(parse('"[[[["', 0)).toEqual({ value: "[[[[" });
  });

  test("a bottomless document costs nothing", () => {
    expect(parse("[".repeat(5_000_000), 64)).toEqual({ problem: "nested deeper than 64 levels" });
  });

  test("is linear in strings, backslashes and blanks", () => {
    const start = performance.now();
    parse(`{"a":"${"\\\\".repeat(4_000_000)}"}`);
    parse(`{"a":"${'\\"'.repeat(2_000_000)}"}`);
    parse(`["a"${" ".repeat(4_000_000)}]`);
    expect(performance.now() - start).toBeLessThan(3000);
  });

  test("agrees with JSON.parse on random documents", () => {
    let seed = 7;
    const random = (n: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % n;
    };
    const value = (depth: number): unknown => {
      switch (random(depth > 4 ? 4 : 6)) {
        case 0:
          return null;
        case 1:
          return random(1000) / 8;
        case 2:
          return ['"', "\\", '\\"', "{", "}:", "é\u0001", ""][random(7)];
        case 3:
          return random(2) === 0;
        case 4:
          return Array.from({ length: random(4) }, () => value(depth + 1));
        default:
          return Object.fromEntries(
            Array.from({ length: random(4) }, (_, index) => [`${index}"\\:${random(9)}`, value(depth + 1)]),
          );
      }
    };
    for (let round = 0; round < 500; round++) {
      const document = value(0);
      expect(parse(JSON.stringify(document, undefined, random(3)))).toEqual({ value: document });
    }
  });
});
