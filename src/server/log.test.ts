import { expect, test } from "bun:test";
import { createLog } from "./log.ts";

function recorded(format: "json" | "pretty", use: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = [];
  use(createLog({ level: "info", format, write: (line) => lines.push(line) }));
  return lines;
}

test("a JSON line has level, time, facts and message", () => {
  const [line = ""] = recorded("json", (log) => log.info({ status: 200, path: "/v2/" }, "request"));
  const { time, ...rest } = JSON.parse(line);
  expect(rest).toEqual({ level: "info", status: 200, path: "/v2/", msg: "request" });
  expect(new Date(time).getTime()).toBeGreaterThan(Date.now() - 60_000);
  expect(line.endsWith("\n")).toBe(true);
});

test("each line of a worker has its number", () => {
  const lines: string[] = [];
  createLog({ level: "info", format: "json", worker: 2, write: (line) => lines.push(line) }).info({}, "m");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ worker: 2, msg: "m" });
});

test("lines below the level are not written", () => {
  expect(recorded("json", (log) => log.debug({}, "quiet"))).toEqual([]);
});

test("what looks like a secret is hidden, at every depth", () => {
  const [line = ""] = recorded("json", (log) =>
    log.info(
      {
        Authorization: "Basic hunter2",
        request: { headers: { "x-amz-security-token": "hunter2", accept: "*/*" }, cookies: ["hunter2"] },
        secretAccessKey: "hunter2",
        list: [{ password: "hunter2" }],
      },
      "m",
    ),
  );
  expect(line).not.toContain("hunter2");
  expect(JSON.parse(line).request.headers).toEqual({ "x-amz-security-token": "[hidden]", accept: "*/*" });
});

test("an error is logged with its causes and code, and without its other properties", () => {
  const cause = Object.assign(new Error("connection refused"), { code: "ECONNREFUSED", config: "hunter2" });
  const error = new TypeError("no database", { cause });
  const [line = ""] = recorded("json", (log) => log.error({ error, requestId: "1" }, "request failed"));
  expect(line).not.toContain("hunter2");
  expect(JSON.parse(line)).toMatchObject({
    requestId: "1",
    error: {
      name: "TypeError",
      message: "no database",
      cause: { message: "connection refused", code: "ECONNREFUSED" },
    },
  });
  expect(JSON.parse(line).error.stack).toContain("log.test.ts");
});

test("a cycle does not stop the log", () => {
  const facts: Record<string, unknown> = {};
  facts.self = facts;
  expect(recorded("json", (log) => log.info(facts, "m")).length).toBe(1);
});

test("a pretty line is for reading", () => {
  const [line = "", failure = ""] = recorded("pretty", (log) => {
    log.info({ path: "/v2/", note: "two words", ms: 1.5 }, "request");
    log.error({ error: new Error("outer", { cause: new Error("inner") }) }, "failed");
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a terminal is told about colours
  expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} \x1b\[32mINFO \x1b\[0m request path=\/v2\/ note="two words" ms=1.5\n$/);
  expect(failure).toMatch(/failed\n {2}Error: outer\n {6}at /);
  expect(failure).toMatch(/\n {2}caused by\n {2}Error: inner\n/);
});
