import { loadConfig } from "../config.ts";
import { migrateDatabase } from "../upkeep.ts";

export async function migrate({ config: file }: { config?: string }): Promise<void> {
  const { database, made } = await migrateDatabase(loadConfig({ file }));
  console.log(made ? `made the database ${database}` : `the database ${database} is up to date`);
}
