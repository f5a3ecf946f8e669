import { migrateDatabase } from "../app.ts";
import { loadConfig } from "../config.ts";

export async function migrate({ config: file }: { config?: string }): Promise<void> {
  const { database, made } = await migrateDatabase(loadConfig({ file }));
  console.log(made ? `made the database ${database}` : `the database ${database} is up to date`);
}
