import type { Figure } from "./bench.ts";
import type { Target } from "./targets.ts";

export function printFigures(figures: readonly Figure[]): void {
  const table: Record<string, Record<string, number>> = {};
  for (const { name, subject, value } of figures) {
    table[name] ??= {};
    table[name][subject] = short(value);
  }
  // Figures with the same subjects share a table, which then has no empty columns.
  const groups = new Map<string, typeof table>();
  for (const [name, row] of Object.entries(table)) {
    const key = Object.keys(row).every((subject) => subject.startsWith("berth")) ? Object.keys(row).join() : "peers";
    groups.set(key, { ...groups.get(key), [name]: row });
  }
  for (const group of groups.values()) console.table(group);
}

export function printTargets(targets: readonly Target[]): void {
  const rows = targets.map(({ name, value, atMost, atLeast, met }) => [
    name,
    {
      value: short(value),
      target: atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`,
      met: met ? "yes" : "NO",
    },
  ]);
  if (rows.length > 0) console.table(Object.fromEntries(rows));
}

/** Three digits say all that can be said of a measurement. */
export function short(value: number): number {
  return Number(value.toPrecision(3));
}

export function showProgress(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text}`);
  else if (text) console.log(text);
}
