import { expect, test } from "bun:test";
import { OciError } from "./errors.ts";
import { parseRange } from "./pull.ts";

const etag = '"sha256:x"';
const parse = (range: string, sizeBytes = 100, ifRange?: string) =>
  parseRange(new Headers({ range, ...(ifRange === undefined ? {} : { "if-range": ifRange }) }), etag, sizeBytes);

test.each([
  ["bytes=0-0", { first: 0, last: 0 }],
  ["bytes=0-99", { first: 0, last: 99 }],
  ["bytes=10-", { first: 10, last: 99 }],
  ["bytes=-10", { first: 90, last: 99 }],
  ["bytes=-1000", { first: 0, last: 99 }],
  ["bytes=90-1000", { first: 90, last: 99 }],
  ["bytes= 5 - 6", { first: 5, last: 6 }],
])("%s is one range", (text, range) => {
  expect(parse(text)).toEqual(range);
});

test.each(["bytes=1-2,4-5", "bytes=-", "bytes=a-b", "items=1-2", "bytes 1-2", ""])("%p is answered whole", (text) => {
  expect(parse(text)).toBeUndefined();
});

test.each([
  ["bytes=5-4", 100],
  ["bytes=100-", 100],
  ["bytes=100-200", 100],
  ["bytes=-0", 100],
  ["bytes=0-0", 0],
  ["bytes=-5", 0],
])("%s of %p bytes is not satisfiable", (text, sizeBytes) => {
  try {
    parse(text, sizeBytes);
    throw new Error("not refused");
  } catch (error) {
    expect(error).toBeInstanceOf(OciError);
    expect((error as OciError).status).toBe(416);
    expect((error as OciError).headers["Content-Range"]).toBe(`bytes */${sizeBytes}`);
  }
});

test("If-Range with another blob's tag asks for all of it", () => {
  expect(parse("bytes=0-1", 100, '"sha256:y"')).toBeUndefined();
  expect(parse("bytes=0-1", 100, etag)).toEqual({ first: 0, last: 1 });
});
