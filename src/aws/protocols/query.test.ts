import { expect, test } from "bun:test";
import { XMLParser } from "fast-xml-parser";
import { z } from "zod";
import type { Operation } from "../operation.ts";
import type { QueryService } from "../service.ts";
import { createQuery } from "./query.ts";
import { element, escapeText } from "./xml.ts";

/** No operation takes or gives as much as the protocol can carry, so this one does. */
const schema = z.object({
  Name: z.string().optional(),
  Count: z.number().optional(),
  IsOn: z.boolean().optional(),
  PolicyArns: z.array(z.object({ arn: z.string() })).optional(),
  Keys: z.array(z.string()).optional(),
  Nested: z.object({ Deep: z.object({ Value: z.number().transform((n) => n + 1) }) }).optional(),
});
const operation = { name: "Try", schema } as unknown as Operation;
const service = {
  version: "1",
  namespace: "urn:x",
  operations: () => new Map([["Try", operation]]),
} as unknown as QueryService;
const query = createQuery([service]);

async function decode(form: string): Promise<unknown> {
  const request = new Request("http://x/", { method: "POST" });
  const call = await query.find(request, new TextEncoder().encode(`Action=Try&Version=1&${form}`));
  return schema.parse(call.decode());
}

test("parameters become what the shape says", async () => {
  const form = [
    "Name=a+b%26",
    "Count=-7",
    "IsOn=true",
    "PolicyArns.member.2.arn=b",
    "PolicyArns.member.1.arn=a",
    "PolicyArns.member.10.arn=c",
    "Keys.member.1=x",
    "Nested.Deep.Value=1",
    "Other.member.1=y",
  ];
  expect(await decode(form.join("&"))).toEqual({
    Name: "a b&",
    Count: -7,
    IsOn: true,
    PolicyArns: [{ arn: "a" }, { arn: "b" }, { arn: "c" }],
    Keys: ["x"],
    Nested: { Deep: { Value: 2 } },
  });
});

test("absent and empty are told apart", async () => {
  expect(await decode("")).toEqual({});
  expect(await decode("Name=&Keys=&IsOn=false")).toEqual({ Name: "", Keys: [], IsOn: false });
});

test("what does not fit is left for the shape to refuse", async () => {
  for (const form of [
    "Count=1.5",
    "Count=1e3",
    "Count=",
    "IsOn=TRUE",
    "IsOn=1",
    "Nested.Deep.Value=x",
    "PolicyArns.member.1=a",
  ]) {
    await expect(decode(form)).rejects.toThrow(z.ZodError);
  }
});

test("an answer holds lists, times and structures", async () => {
  const call = await query.find(new Request("http://x/?Action=Try&Version=1"), new Uint8Array());
  const output = {
    A: "<&>\"'",
    N: 3,
    B: false,
    Absent: undefined,
    At: new Date("2026-01-02T03:04:05.678Z"),
    L: [{ K: "1" }, { K: "2" }],
    E: [],
  };
  const text = await query.encode(output, call, "id").text();
  expect(text).toStartWith('<TryResponse xmlns="urn:x"><TryResult>');
  const { TryResult, ResponseMetadata } = new XMLParser({ parseTagValue: false }).parse(text).TryResponse;
  expect(TryResult).toEqual({
    A: "<&>\"'",
    N: "3",
    B: "false",
    At: "2026-01-02T03:04:05Z",
    L: { member: [{ K: "1" }, { K: "2" }] },
    E: "",
  });
  expect(ResponseMetadata).toEqual({ RequestId: "id" });
  expect(await query.encode(undefined, call, "id").text()).not.toContain("TryResult");
});

test("text that XML 1.0 cannot hold is dropped", () => {
  expect(escapeText("a\u0000b\u000b\u001f\ufffe\uffff\ud800c😀\t\n")).toBe("abc😀\t\n");
  expect(escapeText("\r\n")).toBe("&#xD;\n");
  expect(element("M", "</M>")).toBe("<M>&lt;/M&gt;</M>");
});
