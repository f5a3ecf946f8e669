import type { Kysely } from "kysely";
import type { UpstreamChecks } from "../../domain/pull-through/cache-ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const findCheck = statement((db, value: { repositoryId: number; what: string }) =>
  db
    .selectFrom("upstream_check")
    .select(["upstream", "digest", "checked_at"])
    .where("repository_id", "=", value.repositoryId)
    .where("what", "=", value.what),
);

export function upstreamChecks(db: Kysely<Schema>, flavour: Flavour): UpstreamChecks {
  return {
    async find(repositoryId, what) {
      const [row] = await findCheck(db, flavour, { repositoryId, what });
      if (!row) return undefined;
      return { upstream: row.upstream, digest: row.digest ?? undefined, at: new Date(row.checked_at) };
    },

    async put(repositoryId, what, { upstream, digest, at }) {
      const said = { upstream, digest: digest ?? null, checked_at: at.getTime() };
      await db
        .insertInto("upstream_check")
        .values({ repository_id: repositoryId, what, ...said })
        .onConflict((conflict) => conflict.columns(["repository_id", "what"]).doUpdateSet(said))
        .execute();
    },
  };
}
