import { expect, test } from "bun:test";
import { createProgress } from "./progress.ts";

function terminal(columns = 100) {
  const written: string[] = [];
  let nowMs = 0;
  const progress = createProgress(
    { isTTY: true, columns, write: (text) => written.push(text.replace("\r\u001b[2K", "|")) },
    () => nowMs,
  );
  return { progress, written, pass: (ms: number) => (nowMs += ms) };
}

test("one line says how far it is, how fast it goes and how long it will take", () => {
  const { progress, written, pass } = terminal();
  const gibibyte = 1024 ** 3;
  progress.show("copying", 0, 4 * gibibyte, "bytes");
  pass(1000);
  progress.show("copying", gibibyte, 4 * gibibyte, "bytes");
  expect(written).toEqual([
    "|copying [------------------------]   0%  0 B of 4.0 GiB",
    "|copying [######------------------]  25%  1.0 GiB of 4.0 GiB  1.0 GiB/s  0:03 left",
  ]);
});

test("it is not written more often than anybody could read, but its end is", () => {
  const { progress, written, pass } = terminal();
  for (let done = 0; done <= 1000; done++) {
    progress.show("counting", done, 1000);
    pass(1);
  }
  expect(written.length).toBeLessThan(15);
  expect(written.at(-1)).toBe("|counting [########################] 100%  1,000 of 1,000");
});

test("more than was expected is no more than all", () => {
  const { progress, written } = terminal();
  progress.show("counting", 12, 10);
  expect(written).toEqual(["|counting [########################] 100%  12 of 12"]);
});

test("a narrow terminal cuts it off, a total that is not known leaves the bar out", () => {
  const narrow = terminal(20);
  narrow.progress.show("counting", 5, 10);
  expect(narrow.written).toEqual(["|counting [#########"]);
  const unknown = terminal();
  unknown.progress.show("looking", 0, 0);
  unknown.progress.clear();
  unknown.progress.clear();
  expect(unknown.written).toEqual(["|looking …", "|"]);
});

test("nothing is written where there is no terminal", () => {
  const progress = createProgress({
    write() {
      throw new Error("written");
    },
  });
  progress.show("counting", 1, 2);
  progress.clear();
});
