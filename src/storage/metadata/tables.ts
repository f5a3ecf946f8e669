import type { Database } from "bun:sqlite";

/** A table as a SQLite file describes it. Both databases are made by the same migrations, so it describes both. */
export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  /** Columns of the primary key, in its order. */
  readonly key: readonly string[];
  /** Whether rows may be large. */
  readonly hasBytes: boolean;
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  /** Place in the primary key, from 1; 0 outside of it. */
  readonly pk: number;
}

/** Those with content of ours; a table comes behind all that it refers to. */
export function tablesIn(database: Database): Table[] {
  const rows = <Row>(text: string) => database.prepare(text).all() as Row[];
  const names = rows<{ name: string }>(
    "select name from sqlite_schema where type = 'table' and name not like 'sqlite%' and name not like 'kysely%' order by name",
  ).map(({ name }) => name);
  const inOrder: string[] = [];
  const add = (name: string) => {
    if (inOrder.includes(name)) return;
    for (const { table } of rows<{ table: string }>(`pragma foreign_key_list("${name}")`)) {
      if (table !== name) add(table);
    }
    inOrder.push(name);
  };
  for (const name of names) add(name);
  return inOrder.map((name) => {
    const columns = rows<ColumnRow>(`pragma table_info("${name}")`);
    const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
    return {
      name,
      columns: columns.map((column) => column.name),
      key: key.map((column) => column.name),
      hasBytes: columns.some(({ type }) => type.toLowerCase() === "blob"),
    };
  });
}
