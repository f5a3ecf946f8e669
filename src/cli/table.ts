import { printable } from "./text.ts";

/** Columns as wide as what is in them. @param right those that numbers are in */
export function tableText(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number> = new Set(),
): string {
  const shown = [head.map((title) => title.toUpperCase()), ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => Math.max(...shown.map((row) => row[column]?.length ?? 0)));
  const lines = shown.map((row) =>
    row
      .map((cell, column) =>
        right.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}

/** The same on standard output; nothing where there is no row. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  if (rows.length > 0) console.log(tableText(head, rows));
}
