import { expect, setSystemTime, spyOn, test } from "bun:test";
import { rememberOpened } from "./opened-tokens.ts";

function world() {
  const opened: string[] = [];
  const open = rememberOpened((text) => {
    opened.push(text);
    return text.startsWith("good") ? { text, principal: { tags: { team: "web" } } } : undefined;
  });
  return { opened, open };
}

test("a good token is opened once a minute, whoever sends it", () => {
  const { opened, open } = world();
  const clock = spyOn(performance, "now");
  try {
    for (const [now, times] of [
      [1_000, 1],
      [60_000, 1],
      [61_000, 2],
      [62_000, 2],
    ] as const) {
      clock.mockReturnValue(now);
      expect(open("good")).toEqual({ text: "good", principal: { tags: { team: "web" } } });
      expect(opened).toHaveLength(times);
    }
  } finally {
    clock.mockRestore();
  }
});

test("the clock on the wall does not make it last", () => {
  const { opened, open } = world();
  open("good");
  setSystemTime(new Date(0));
  open("good");
  setSystemTime();
  expect(opened).toEqual(["good"]);
});

test("what opens nothing is tried each time, and one token is never taken for another", () => {
  const { opened, open } = world();
  for (const text of ["bad", "good", "bad", "good ", "goode"])
    expect(open(text)?.text).toBe(text === "bad" ? undefined : text);
  expect(opened).toEqual(["bad", "good", "bad", "good ", "goode"]);
});

test("the first that were opened make room", () => {
  const { opened, open } = world();
  for (let number = 0; number <= 1_000; number++) open(`good ${number}`);
  opened.length = 0;
  open("good 1000");
  open("good 1");
  expect(opened).toEqual([]);
  open("good 0");
  expect(opened).toEqual(["good 0"]);
});

test("nobody can change what the others get", () => {
  const { open } = world();
  open("good");
  const token = open("good") as { principal: { tags: { team: string } } };
  expect(() => {
    token.principal.tags.team = "root";
  }).toThrow(TypeError);
});
