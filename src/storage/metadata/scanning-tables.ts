import { type Kysely, sql } from "kysely";
import type { Flavour } from "./flavour.ts";

export interface RegistryConfigurationTable {
  account: string;
  region: string;
  kind: "scanning" | "signing";
  /** JSON. */
  document: string;
}

/** What registries are told to do with their images. What came of it is kept with each image, in its row. */
export async function createScanning(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { text, orderedTable } = types;
  const statements = [
    sql`create table registry_configuration (
      account ${text} not null,
      region ${text} not null,
      kind ${text} not null,
      document ${text} not null,
      primary key (account, region, kind)
    ) ${orderedTable}`,
    sql`alter table image add column scan ${text}`,
    sql`alter table image add column signings ${text}`,
    sql`alter table deleted_image add column scan ${text}`,
    sql`alter table deleted_image add column signings ${text}`,
  ];
  for (const statement of statements) await statement.execute(db);
}
