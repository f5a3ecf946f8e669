import type { AllMetadata } from "./metadata.ts";
import { openPostgres } from "./postgres.ts";
import { openSqlite } from "./sqlite.ts";

export type { AllMetadata } from "./metadata.ts";
export { DatabaseTooNew } from "./migrations.ts";

/** `sqlite:<path>`, `sqlite::memory:`, or `postgres://…`. */
export async function openMetadata(url: string): Promise<AllMetadata> {
  const [, scheme = ""] = /^([a-z]+):/.exec(url) ?? [];
  switch (scheme) {
    case "sqlite":
      return openSqlite({ path: sqlitePath(url) });
    case "postgres":
    case "postgresql":
      return openPostgres({ url });
    default:
      // Not the whole URL: it may hold a password.
      throw new Error(`The database URL must begin with 'sqlite:' or 'postgres://', and not with '${scheme}'`);
  }
}

export function isPostgres(url: string): boolean {
  return /^postgres(?:ql)?:/.test(url);
}

/** `sqlite:/data/berth.sqlite` and `sqlite:///data/berth.sqlite` name the same file. */
export function sqlitePath(url: string): string {
  const path = url.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "");
  if (path === "") throw new Error("The database URL 'sqlite:' lacks the path of a file");
  return path;
}
