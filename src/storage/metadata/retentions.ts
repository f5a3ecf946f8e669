import type { Kysely } from "kysely";
import type { RepositoryRetention, Retentions } from "../../domain/registry/retention-ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const findRetention = statement((db, value: { repositoryId: number }) =>
  db
    .selectFrom("repository_retention")
    .select(["document", "report_only", "is_protected"])
    .where("repository_id", "=", value.repositoryId),
);

const nothing: RepositoryRetention = { reportOnly: false, isProtected: false };

export function retentions(db: Kysely<Schema>, flavour: Flavour): Retentions {
  return {
    async find(repositoryId) {
      const [row] = await findRetention(db, flavour, { repositoryId });
      if (!row) return nothing;
      const { document, report_only, is_protected } = row;
      return { document: document ?? undefined, reportOnly: report_only === 1, isProtected: is_protected === 1 };
    },

    async update(repositoryId, retention) {
      const { document = null, reportOnly = false, isProtected = false } = retention;
      const row = { document, report_only: reportOnly ? 1 : 0, is_protected: isProtected ? 1 : 0 };
      const changed = {
        ...("document" in retention && { document }),
        ...("reportOnly" in retention && { report_only: row.report_only }),
        ...("isProtected" in retention && { is_protected: row.is_protected }),
      };
      if (Object.keys(changed).length === 0) return;
      await db
        .insertInto("repository_retention")
        .values({ repository_id: repositoryId, ...row })
        .onConflict((conflict) => conflict.column("repository_id").doUpdateSet(changed))
        .execute();
    },
  };
}
